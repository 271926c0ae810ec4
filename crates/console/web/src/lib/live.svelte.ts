// One stream of server-sent events that comes back by itself: after a restart, a sleep, or a lost network.

const FIRST = 500;
const LONGEST = 8_000;
/** A timer of 5 s that comes so much later has slept. */
const SLEPT = 20_000;

export type Link = "connecting" | "live" | "lost";

export class Live {
  link = $state<Link>("connecting");
  /** When something was heard last. */
  heard = $state(0);
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
    source.onopen = () => this.#alive();
    source.onerror = () => this.#lost();
    for (const [name, handle] of Object.entries(this.handlers)) {
      source.addEventListener(name, (event) => {
        this.#alive();
        handle(JSON.parse((event as MessageEvent<string>).data));
      });
    }
  }

  #alive() {
    this.link = "live";
    this.heard = Date.now();
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

  /** A laptop that slept has a dead connection that nobody has told it of: the timer's own lateness tells. */
  #last = Date.now();
  #check() {
    const now = Date.now();
    const slept = now - this.#last > SLEPT;
    this.#last = now;
    if (slept) this.#again();
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
