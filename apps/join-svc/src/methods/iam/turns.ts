import { failure } from '@postern/core';

/** More wait to be verified than can be within a join's patience. */
export const TooManyVerifications = failure(
  'resource_exhausted',
  'join.too_many_verifications',
  () => 'too many joins are being verified; try again in a moment',
);

interface Waiting {
  readonly address: string;
  readonly go: () => void;
}

/** How many may run at once. */
export interface TurnLimits {
  readonly atOnce: number;
  readonly perAddress: number;
  readonly maxWaiting: number;
  /** Milliseconds. */
  readonly patienceMs: number;
}

/**
 * Lets a bounded number of tasks run at once, and of these a bounded number for each address, so that neither a flood nor one busy
 * address keeps the others from their turn. The rest waits in order, for a bounded time.
 */
export class Turns {
  readonly #limits: TurnLimits;
  readonly #running = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #count = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  async run<T>(address: string, task: () => Promise<T>): Promise<T> {
    await this.#turn(address);
    try {
      return await task();
    } finally {
      this.#end(address);
    }
  }

  #turn(address: string): Promise<void> {
    if (this.#mayRun(address)) {
      this.#begin(address);
      return Promise.resolve();
    }
    const { maxWaiting, patienceMs } = this.#limits;
    if (this.#waiting.length >= maxWaiting) throw TooManyVerifications();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(TooManyVerifications());
      }, patienceMs);
      const go = () => {
        clearTimeout(timer);
        resolve();
      };
      const waiting = { address, go };
      this.#waiting.push(waiting);
    });
  }

  #mayRun(address: string): boolean {
    const { atOnce, perAddress } = this.#limits;
    return this.#count < atOnce && (this.#running.get(address) ?? 0) < perAddress;
  }

  #begin(address: string): void {
    this.#count += 1;
    this.#running.set(address, (this.#running.get(address) ?? 0) + 1);
  }

  #end(address: string): void {
    this.#count -= 1;
    const left = (this.#running.get(address) ?? 1) - 1;
    if (left === 0) this.#running.delete(address);
    else this.#running.set(address, left);
    const next = this.#waiting.findIndex((waiting) => this.#mayRun(waiting.address));
    if (next === -1) return;
    const [waiting] = this.#waiting.splice(next, 1);
    this.#begin(waiting!.address);
    waiting!.go();
  }
}
