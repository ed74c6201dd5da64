import { canonicalJson, type Json } from '@postern/core';

/** An item that went, or one that came. */
export interface ListStep {
  readonly sign: '+' | '-';
  readonly item: unknown;
}

// The table has a cell for each pair of items.
const maxCells = 1_000_000;

/** The fewest items to take out and put in, in order, that make one list the other. */
export function listSteps(before: readonly unknown[], after: readonly unknown[]): ListStep[] {
  const [a, b] = [before.map(keyOf), after.map(keyOf)];
  if (a.length * b.length > maxCells) return [...gone(before), ...came(after)];
  const common = longestCommon(a, b);
  const steps: ListStep[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i += 1;
      j += 1;
    } else if (i < a.length && (j === b.length || common[i + 1]![j]! >= common[i]![j + 1]!)) {
      steps.push(...gone([before[i]]));
      i += 1;
    } else {
      steps.push(...came([after[j]]));
      j += 1;
    }
  }
  return steps;
}

/** How many items can stay from each pair of places on. */
function longestCommon(a: readonly string[], b: readonly string[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1)
      table[i]![j] =
        a[i] === b[j] ? table[i + 1]![j + 1]! + 1 : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
  }
  return table;
}

function gone(items: readonly unknown[]): ListStep[] {
  return items.map((item) => ({ sign: '-', item }));
}

function came(items: readonly unknown[]): ListStep[] {
  return items.map((item) => ({ sign: '+', item }));
}

function keyOf(item: unknown): string {
  return canonicalJson((item ?? null) as Json);
}
