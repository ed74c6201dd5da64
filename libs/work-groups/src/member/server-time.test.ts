import { expect, test } from 'vitest';
import { ServerTime } from './server-time.ts';

test('the time of the server is carried on by a clock that nobody sets', () => {
  let elapsed = 0;
  const time = new ServerTime(() => elapsed);
  expect(time.now()).toBeUndefined();
  const askedAt = time.mark();
  elapsed = 40;
  time.heard(1_000_000, askedAt);
  expect(time.now()).toBe(1_000_020);
  elapsed = 5_040;
  expect(time.now()).toBe(1_005_020);
});

test('what the server said last counts', () => {
  let elapsed = 0;
  const time = new ServerTime(() => elapsed);
  time.heard(1_000_000, 0);
  elapsed = 1_000;
  time.heard(500_000, 1_000);
  expect(time.now()).toBe(500_000);
});
