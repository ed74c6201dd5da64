import type { Logger } from '@postern/telemetry';

const perSecond = 50;
const burst = 500;

/**
 * How many lines may be written about refusals of strangers: whoever sends requests that are refused would otherwise decide how much is
 * logged. What is left out is counted, and told by a line of its own when there is room again.
 */
export class LogBudget {
  readonly #log: Pick<Logger, 'warn'>;
  #left = burst;
  #at = performance.now();
  #omitted = 0;

  constructor(log: Pick<Logger, 'warn'>) {
    this.#log = log;
  }

  /** Takes a line; false where none is left. `now`: milliseconds of a clock that does not jump. */
  take(now = performance.now()): boolean {
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#left < 1) {
      this.#omitted += 1;
      return false;
    }
    this.#left -= 1;
    if (this.#omitted > 0)
      this.#log.warn('more requests were refused than are logged', { omitted: this.#omitted });
    this.#omitted = 0;
    return true;
  }
}
