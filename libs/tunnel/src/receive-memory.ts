import type { TunnelLimits } from './limits.ts';
import type { WindowRules } from './receive-window.ts';

/** What the memory rules are made of. */
export interface MemoryOptions {
  readonly limits: TunnelLimits;
  now(): number;
  shortestMs(): number | undefined;
}

/**
 * The memory of one tunnel for data that came and was not read. Streams share it: windows grow only into half of it, and only
 * while half of it is free.
 */
export class ReceiveMemory implements WindowRules {
  readonly #options: MemoryOptions;
  #held = 0;
  #granted = 0;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#held > this.#options.limits.bufferedBytes;
  }

  get heldBytes(): number {
    return this.#held;
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  free(bytes: number): void {
    this.#held -= bytes;
  }

  now(): number {
    return this.#options.now();
  }

  get shortestMs(): number | undefined {
    return this.#options.shortestMs();
  }

  grant(bytes: number): boolean {
    const half = this.#options.limits.bufferedBytes / 2;
    if (this.#held > half || this.#granted + bytes > half) return false;
    this.#granted += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#granted -= bytes;
  }
}
