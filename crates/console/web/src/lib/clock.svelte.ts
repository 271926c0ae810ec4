// One tick a second for everything on the page that counts, on the server's clock.

class Clock {
  /** The server's time, to the second. */
  now = $state(Date.now());
  #ahead = 0;

  constructor() {
    setInterval(() => this.#tick(), 1_000);
  }

  /** The server said what time it is. Small differences are the network's. */
  sync(at: number) {
    const ahead = at - Date.now();
    if (Math.abs(ahead - this.#ahead) > 1_500) {
      this.#ahead = ahead;
      this.#tick();
    }
  }

  /** The server's time, exactly. */
  exact(): number {
    return Date.now() + this.#ahead;
  }

  #tick() {
    this.now = Date.now() + this.#ahead;
  }
}

export const time = new Clock();
