// One tab at a time is the phone. The browser's own lock says which: it goes with the tab, however that ends.

class Tab {
  /** This tab is the phone. */
  mine = $state(false);
  /** Another tab is. */
  elsewhere = $state(false);
  #name = "";
  #release = () => {};
  #lost = () => {};

  /** Takes the lock if it is free; otherwise waits until the other tab closes. `onLost`: another tab took it. */
  claim(user: string, onMine: () => void, onLost: () => void): () => void {
    this.#name = `havre-desk-${user}`;
    this.#lost = onLost;
    const waiting = new AbortController();
    if (!navigator.locks) {
      // No lock without a secure context, and no microphone either.
      this.mine = true;
      onMine();
      return onLost;
    }
    const hold = () => {
      this.mine = true;
      this.elsewhere = false;
      onMine();
      return new Promise<void>((release) => (this.#release = release));
    };
    this.#take = () => this.#request({ steal: true }, hold);
    void navigator.locks.query().then(({ held }) => {
      this.elsewhere = !this.mine && (held ?? []).some((lock) => lock.name === this.#name);
    });
    this.#request({ signal: waiting.signal }, hold);
    return () => {
      waiting.abort();
      this.#release();
      this.mine = false;
      this.elsewhere = false;
    };
  }

  /** Makes this tab the phone. */
  take() {
    this.#take();
  }

  #take = () => {};

  #request(options: LockOptions, hold: () => Promise<void>) {
    navigator.locks.request(this.#name, options, hold).catch(() => {
      // Stolen, or no longer wanted.
      if (!this.mine) return;
      this.mine = false;
      this.elsewhere = true;
      this.#lost();
    });
  }
}

export const tab = new Tab();
