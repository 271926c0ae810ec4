// What is said aloud to screen readers, politely, and shown for some seconds: what an act brought.

class Announcer {
  polite = $state("");
  /** Shown as well. */
  note = $state<{ text: string; bad: boolean } | null>(null);
  /** Open dialogs. */
  dialogs = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Said once; the same words again are said again. */
  say(text: string) {
    this.polite = this.polite === text ? `${text}\u200b` : text;
  }

  show(text: string, bad = false) {
    this.say(text);
    this.note = { text, bad };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.note = null), 8_000);
  }

  hide() {
    this.note = null;
  }
}

export const announce = new Announcer();
