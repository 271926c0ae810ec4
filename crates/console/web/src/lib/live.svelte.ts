// One stream of server-sent events that comes back by itself: after a restart, a sleep, or a lost network.

const FIRST = 500;
const LONGEST = 8_000;
/** A timer of 5 s that comes so much later has slept. */
const SLEPT = 20_000;
/** The server says every 15 s that it is alive: whoever is not heard for two of them is gone, whatever the network thinks. */
const SILENT = 35_000;
/** A connection that nobody answered by then is tried anew. */
const UNANSWERED = 10_000;

export type Link = "connecting" | "live" | "lost";

export class Live {
  link = $state<Link>("connecting");
  /** When something was heard last. */
  #heard = 0;
  #source: EventSource | null = null;
  #wait = FIRST;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly path: string,
    private readonly handlers: Record<string, (data: unknown) => void>,
    /** Asked after each failure: a stream cannot say that its session is over. */
    private readonly onLost: () => void = () => {},
  ) {}

  open() {
    this.#connect();
    this.#watch = setInterval(() => this.#check(), 5_000);
    addEventListener("online", this.#now);
    addEventListener("offline", this.#offline);
    document.addEventListener("visibilitychange", this.#now);
  }

  close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    removeEventListener("online", this.#now);
    removeEventListener("offline", this.#offline);
    document.removeEventListener("visibilitychange", this.#now);
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const source = new EventSource(this.path);
    this.#source = source;
    this.#heard = Date.now();
    source.onopen = () => this.#alive();
    source.onerror = () => this.#lost();
    source.addEventListener("alive", () => this.#alive());
    for (const [name, handle] of Object.entries(this.handlers)) {
      source.addEventListener(name, (event) => {
        this.#alive();
        handle(JSON.parse((event as MessageEvent<string>).data));
      });
    }
  }

  #alive() {
    this.link = "live";
    this.#heard = Date.now();
    this.#wait = FIRST;
  }

  #lost() {
    this.#source?.close();
    this.#source = null;
    this.link = "lost";
    this.onLost();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST);
  }

  /** A laptop that slept has a dead connection that nobody has told it of: the timer's own lateness tells. So does silence
      of a network that lets nothing through and closes nothing, or of a server that took the connection and stopped. */
  #last = Date.now();
  #check() {
    const now = Date.now();
    const slept = now - this.#last > SLEPT;
    this.#last = now;
    if (slept) this.#again();
    else if (this.#source && now - this.#heard > (this.link === "live" ? SILENT : UNANSWERED)) this.#lost();
  }

  /** The network is gone: nothing closes the connection, so nothing else would tell. */
  #offline = () => this.#lost();

  #now = () => {
    if (document.visibilityState === "visible" && this.link === "lost") this.#again();
  };

  #again() {
    this.#wait = FIRST;
    this.link = "lost";
    this.#connect();
  }
}
