// One tab at a time is the phone. The browser's own lock says which: it goes with the tab, however that ends.

class Tab {
  /** Another tab is the phone. */
  elsewhere = $state(false);
  #name = "";
  #mine = false;
  #onMine = () => {};
  #onLost = () => {};
  #release = () => {};
  /** Ends the wait for the lock. */
  #waiting: AbortController | null = null;

  /** Takes the lock as soon as it is free. `onLost`: another tab took it over. The result gives it back. */
  claim(user: string, onMine: () => void, onLost: () => void): () => void {
    this.#name = `havre-desk-${user}`;
    this.#onMine = onMine;
    this.#onLost = onLost;
    if (!navigator.locks) {
      // No lock without a secure context, and no microphone either.
      onMine();
      return () => {};
    }
    void navigator.locks.query().then(({ held }) => {
      this.elsewhere = !this.#mine && (held ?? []).some((lock) => lock.name === this.#name);
    });
    this.#wait();
    return () => {
      this.#waiting?.abort();
      this.#mine = false;
      this.#release();
      this.elsewhere = false;
    };
  }

  /** Makes this tab the phone. */
  take() {
    this.#waiting?.abort();
    this.#request({ steal: true });
  }

  #wait() {
    this.#waiting = new AbortController();
    this.#request({ signal: this.#waiting.signal });
  }

  #request(options: LockOptions) {
    navigator.locks
      .request(this.#name, options, () => {
        this.#mine = true;
        this.elsewhere = false;
        this.#onMine();
        return new Promise<void>((release) => (this.#release = release));
      })
      .catch(() => {
        // No longer wanted, or taken over; then this tab is the phone again when the other one closes.
        if (!this.#mine) return;
        this.#mine = false;
        this.elsewhere = true;
        this.#onLost();
        this.#wait();
      });
  }
}

export const tab = new Tab();
