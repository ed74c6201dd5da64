import { expect, test } from 'vitest';
import { LogBudget } from './log-budget.ts';

test('a flood is logged up to a bound, and what is left out is counted and told', () => {
  const told: unknown[] = [];
  const budget = new LogBudget({ warn: (_, fields) => void told.push(fields) });
  const now = performance.now() + 1000;
  const taken = (times: number, at: number) =>
    Array.from({ length: times }, () => budget.take(at)).filter(Boolean);
  expect(taken(10_000, now)).toHaveLength(500);
  expect(told).toEqual([]);
  expect(taken(10_000, now + 1000)).toHaveLength(50);
  expect(told).toEqual([{ omitted: 9500 }]);
});
