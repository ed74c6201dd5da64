import type { AppError } from '@postern/core';

const burst = 20_000;
const perSecond = 5000;

/** Bounds how many control frames a client may send: each costs us and the server more than it costs the client. */
export class FrameBudget {
  readonly #exceeded: () => AppError;
  #left = burst;
  #at = performance.now();

  constructor(exceeded: () => AppError) {
    this.#exceeded = exceeded;
  }

  /** Throws when there were too many. */
  take(): void {
    if (this.#left < 1) this.#refill();
    this.#left -= 1;
    if (this.#left < 0) throw this.#exceeded();
  }

  #refill(): void {
    const now = performance.now();
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
  }
}
