import { AwsMalformed, AwsThrottled, AwsTimedOut, AwsUnavailable } from '@postern/aws';
import { delay } from '@postern/core';

/** How fast and how often to ask. Rates in requests a second, times in milliseconds. */
export interface PaceLimits {
  readonly maxRate: number;
  readonly minRate: number;
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  /** Attempts where AWS has too much to do. */
  readonly throttledAttempts: number;
  /** Attempts where it fails in another way that may pass. */
  readonly failedAttempts: number;
}

// EKS lets an account read about that often in a region; what else of the account reads there shares it.
export const defaultPace: PaceLimits = {
  maxRate: 20,
  minRate: 0.5,
  firstRetryMs: 300,
  maxRetryMs: 20_000,
  throttledAttempts: 9,
  failedAttempts: 3,
};

/**
 * The rate at which one account is asked in one region. It halves when AWS throttles and grows back slowly, so that everything that
 * asks there together stays below what AWS takes.
 */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #random: () => number;
  #rate: number;
  #nextAt = 0;

  constructor(limits: PaceLimits = defaultPace, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
    this.#rate = limits.maxRate;
  }

  /** Requests a second, now. */
  get rate(): number {
    return this.#rate;
  }

  /** Asks in turn, and again what may work later; throws the last failure. */
  async ask<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#turn(signal);
      try {
        const answer = await question();
        this.#rate = Math.min(this.#limits.maxRate, this.#rate * 1.05);
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (AwsThrottled.is(error)) this.#rate = Math.max(this.#limits.minRate, this.#rate / 2);
        if (attempt >= this.#attemptsFor(error)) throw error;
        await delay(this.#backoff(attempt), signal);
      }
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + 1000 / this.#rate;
    await delay(at - now, signal);
  }

  #attemptsFor(error: unknown): number {
    if (AwsThrottled.is(error)) return this.#limits.throttledAttempts;
    const mayPass = [AwsUnavailable, AwsTimedOut, AwsMalformed].some((each) => each.is(error));
    return mayPass ? this.#limits.failedAttempts : 1;
  }

  /** Anywhere between nothing and twice as long as before: members that were throttled together do not return together. */
  #backoff(attempt: number): number {
    const { firstRetryMs, maxRetryMs } = this.#limits;
    return this.#random() * Math.min(maxRetryMs, firstRetryMs * 2 ** attempt);
  }
}
