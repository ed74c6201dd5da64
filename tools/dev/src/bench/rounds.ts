/** Rounds whose costs differ by less than this are alike. */
const alike = 0.1;
const mostWarmUps = 6;
const rounds = 5;

/**
 * Repeats something until two successive costs are alike, or six times: by then a program is compiled and its buffers have
 * grown, and what is measured next is what it costs from then on. Returns how often it was repeated.
 */
export async function warmUp(cost: () => Promise<number>): Promise<number> {
  let last = Number.POSITIVE_INFINITY;
  for (let count = 1; count <= mostWarmUps; count += 1) {
    const next = await cost();
    if (Math.abs(next - last) < alike * Math.max(next, last)) return count;
    last = next;
  }
  return mostWarmUps;
}

/** Measures several things in turns, five rounds of each, so that what else the machine does falls on all of them. */
export async function inTurns<T>(measures: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const measured: T[][] = measures.map(() => []);
  for (let round = 0; round < rounds; round += 1)
    for (const [index, measure] of measures.entries()) measured[index]!.push(await measure());
  return measured;
}

/** The one in the middle by some figure of it. */
export function middleBy<T>(values: readonly T[], pick: (value: T) => number): T {
  return values.toSorted((a, b) => pick(a) - pick(b))[Math.floor(values.length / 2)]!;
}
