// The advocate's desk: what the server says of it, and the phone in the page.

import { post, put } from "../lib/api";
import { time } from "../lib/clock.svelte";
import { told } from "../lib/failure";
import { Live } from "../lib/live.svelte";
import { announce } from "../lib/say.svelte";
import { session } from "../lib/session.svelte";
import type { Command, Desk, KeyPress, Session } from "../lib/types";
import { microphone } from "./microphone.svelte";
import { Phone } from "./phone.svelte";
import { unlock } from "./ring";
import { missing, type Missing } from "./reach";
import { tab } from "./tab.svelte";

/** News by so many milliseconds older than what is shown were overtaken on the way. */
const OVERTAKEN = 5_000;
/** Keys of a talk that are shown; they are kept nowhere else. */
const KEYS = 200;

class DeskState {
  readonly phone = new Phone();
  now = $state.raw<Desk | null>(null);
  keys = $state.raw<KeyPress[]>([]);
  /** Rises with each end of a call: the history is read again. */
  ended = $state(0);
  /** A command is on its way. */
  working = $state(false);
  #silenced = $state<string | null>(null);
  readonly #offer = $derived(this.now?.offer?.call ?? this.phone.call ?? "");
  readonly live = new Live("/api/v1/desk/events", {
    desk: (desk) => this.#show(desk as Desk),
    key: (key) => this.#pressed(key as KeyPress),
  }, () => void session.check());

  open(who: Session): () => void {
    void microphone.watch();
    this.live.open();
    const { sip } = who;
    const release = sip
      ? tab.claim(who.user, () => this.phone.start(sip.uri, sip.realm), () => this.phone.stop())
      : () => {};
    return () => {
      release();
      this.live.close();
      this.phone.stop();
    };
  }

  /** What keeps callers from this desk. */
  get missing(): Missing | null {
    return missing({
      link: this.live.link,
      wire: this.phone.wire,
      registered: this.phone.registered,
      seen: this.now?.reachable.browser ?? false,
      unheard: this.now?.reachable.unheard ?? false,
      phones: this.now?.reachable.phones ?? 0,
      access: microphone.access,
      elsewhere: tab.elsewhere,
    });
  }

  get talking(): boolean {
    return Boolean(this.now?.talk) || this.phone.line === "talking";
  }

  /** A call rings here: an offer is never shown over a talk. */
  get offered(): boolean {
    const ringing = this.phone.line === "ringing" || this.phone.line === "answering";
    return !this.talking && (ringing || (Boolean(this.now?.offer) && this.phone.line !== "testing"));
  }

  /** It sounds, too. */
  get rings(): boolean {
    return this.offered && this.phone.line !== "answering" && this.#silenced !== this.#offer;
  }

  answer() {
    unlock();
    this.phone.answer(this.now?.offer?.call ?? null);
  }

  decline() {
    this.#silenced = this.#offer;
    this.phone.decline();
  }

  async command(command: Command) {
    unlock();
    this.working = true;
    try {
      if (command === "ready" && microphone.access !== "granted") await microphone.ask();
      this.#show(await put<Desk>("/api/v1/desk/state", { command }));
    } catch (error) {
      announce.show(told(error), true);
    }
    this.working = false;
  }

  async escalate() {
    await post("/api/v1/desk/escalate");
  }

  #show(desk: Desk) {
    // The answer to a command may come after news of what followed it. (A clock that was put back is no news of old.)
    const older = (this.now?.at ?? 0) - desk.at;
    if (older > 0 && older < OVERTAKEN) return;
    time.sync(desk.at);
    const before = this.now?.talk?.call;
    if (before !== desk.talk?.call) this.keys = [];
    if (before && !desk.talk) {
      this.ended += 1;
      this.phone.forget(before);
    }
    this.now = desk;
  }

  #pressed(key: KeyPress) {
    if (this.now?.talk && this.now.talk.call !== key.call) return;
    this.keys = [...this.keys, key].slice(-KEYS);
  }
}

export const desk = new DeskState();
