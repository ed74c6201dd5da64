/** Durations in milliseconds. */
export class Samples {
  readonly #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  get count(): number {
    return this.#values.length;
  }

  /** The duration that this share of all does not exceed; NaN when there is none. */
  at(share: number): number {
    const sorted = Float64Array.from(this.#values).toSorted();
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  }

  /** For example `p50 1.2 ms, p99 4.8 ms`. */
  get summary(): string {
    return `p50 ${this.at(0.5).toFixed(1)} ms, p99 ${this.at(0.99).toFixed(1)} ms`;
  }
}

/** The middle one of some figures. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Does something at an even rate, whether or not the last one is done, and waits for all of it. */
export async function atRate(
  perSecond: number,
  count: number,
  act: (index: number) => Promise<void>,
): Promise<void> {
  const running: Promise<void>[] = [];
  const started = performance.now();
  while (running.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - started) / 1000) * perSecond));
    while (running.length < due) running.push(act(running.length));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
}
