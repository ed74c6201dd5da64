import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listSteps } from './list-steps.ts';

const items = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 20 });

test('steps take out and put in exactly what differs', () => {
  fc.assert(
    fc.property(items, items, (before, after) => {
      const steps = listSteps(before, after);
      const left = counts(before);
      for (const { sign, item } of steps) {
        const key = item as number;
        left.set(key, (left.get(key) ?? 0) + (sign === '+' ? 1 : -1));
      }
      const there = new Map([...left].filter(([, n]) => n !== 0));
      expect(there).toEqual(counts(after));
    }),
    { numRuns: 2000 },
  );
});

test('there are no steps between equal lists, and as few as possible between others', () => {
  expect(listSteps([1, { a: 1, b: 2 }], [1, { b: 2, a: 1 }])).toEqual([]);
  expect(listSteps(['a', 'b', 'c'], ['a', 'x', 'c'])).toEqual([
    { sign: '-', item: 'b' },
    { sign: '+', item: 'x' },
  ]);
  expect(listSteps(['a', 'b'], ['b', 'a'])).toHaveLength(2);
});

test('very long lists are shown whole instead of compared for minutes', () => {
  const long = Array.from({ length: 20_000 }, (_, n) => n);
  const began = performance.now();
  expect(listSteps(long, [...long, 1])).toHaveLength(40_001);
  expect(performance.now() - began).toBeLessThan(2000);
});

function counts(list: readonly number[]): Map<number, number> {
  const map = new Map<number, number>();
  for (const item of list) map.set(item, (map.get(item) ?? 0) + 1);
  return map;
}
