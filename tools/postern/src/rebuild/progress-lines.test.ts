import { expect, test } from 'vitest';
import { ProgressLines } from './progress-lines.ts';

test('progress is told every few seconds and at the end of each projection', () => {
  const printed: string[] = [];
  let now = 0;
  const lines = new ProgressLines(
    (line) => printed.push(line),
    () => now,
  );
  const add = (ms: number, projection: string, position: number, until = 20_000) => {
    now += ms;
    lines.add({ projection, events: 5000, position, until });
  };
  add(0, 'a', 5000);
  add(2000, 'a', 10_000);
  add(3500, 'a', 15_000);
  add(500, 'a', 20_000);
  add(100, 'b', 5000, 5000);
  expect(printed).toEqual([
    'a: 15,000 events, 75 %, 2,727 events/s',
    'a: 20,000 events, 100 %, 3,333 events/s',
    'b: 5,000 events, 100 %, under a second',
  ]);
});
