/** Silence that is nothing unusual. Milliseconds. */
const quietMs = 12_000;

/**
 * A clock that counts the time in which we could hear. While the bus is away nobody is heard, and that is no reason to take
 * anybody for gone: what expires by silence expires by this clock.
 */
export class Hearing {
  readonly #now: () => number;
  #heardAt: number;
  #deafMs = 0;

  /** `now` is a clock that is never set, milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
    this.#heardAt = now();
  }

  /** Something came over the bus; our own words are enough, for they come back to us. */
  heard(): void {
    const now = this.#now();
    this.#deafMs += Math.max(0, now - this.#heardAt - quietMs);
    this.#heardAt = now;
  }

  /** Milliseconds; stands still while nothing is heard. */
  now(): number {
    return Math.min(this.#now(), this.#heardAt + quietMs) - this.#deafMs;
  }
}
