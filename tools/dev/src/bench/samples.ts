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

// More would wait for a connection to Postgres longer than anybody waits: what cannot be done at the rate is done as it can be.
const mostRunning = 100;

/** Does something at an even rate, whether or not the last one is done, and waits for all of it. */
export async function atRate(
  perSecond: number,
  count: number,
  act: (index: number) => Promise<void>,
): Promise<void> {
  const acting: Acting = { running: new Set(), failures: [] };
  const started = performance.now();
  for (let index = 0; index < count && acting.failures.length === 0; index += 1) {
    const dueMs = started + (index * 1000) / perSecond;
    while (performance.now() < dueMs || acting.running.size >= mostRunning)
      await new Promise((resolve) => setTimeout(resolve, 1));
    begin(acting, act(index));
  }
  await Promise.all(acting.running);
  if (acting.failures.length > 0) throw acting.failures[0];
}

interface Acting {
  readonly running: Set<Promise<void>>;
  readonly failures: unknown[];
}

function begin({ running, failures }: Acting, act: Promise<void>): void {
  const acting: Promise<void> = act
    .catch((error: unknown) => void failures.push(error))
    .finally(() => running.delete(acting));
  running.add(acting);
}
