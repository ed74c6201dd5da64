import { messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';

interface LoopOptions {
  readonly everyMs: number;
  readonly log: Logger;
  /** What failed, for the log. */
  readonly name: string;
}

/**
 * Runs work again and again, never twice at once, and sooner when asked to, unless it just failed: then it takes its time.
 * Disposing it waits for the run under way.
 */
export class Loop implements AsyncDisposable {
  readonly #work: () => Promise<void>;
  readonly #options: LoopOptions;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;
  #notBefore = 0;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: LoopOptions, work: () => Promise<void>) {
    this.#options = options;
    this.#work = work;
    this.within(options.everyMs);
  }

  /** Makes the next run happen within this time, in milliseconds. */
  within(ms: number): void {
    const now = performance.now();
    const dueAt = Math.max(now + ms, this.#notBefore);
    if (this.#isClosed || dueAt >= this.#dueAt) return;
    this.#dueAt = dueAt;
    clearTimeout(this.#timer);
    if (!this.#running) this.#timer = setTimeout(() => void this.#run(), dueAt - now);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#dueAt = Infinity;
    this.#running = this.#attempt();
    await this.#running;
    this.#running = undefined;
    const asked = Math.max(0, this.#dueAt - performance.now());
    this.#dueAt = Infinity;
    this.within(Math.min(asked, this.#options.everyMs));
  }

  async #attempt(): Promise<void> {
    try {
      await this.#work();
    } catch (error) {
      this.#notBefore = performance.now() + this.#options.everyMs;
      this.#options.log.warn(`${this.#options.name} failed and is tried again`, { reason: messageOf(error) });
    }
  }
}
