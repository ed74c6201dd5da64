import { expect, test } from 'vitest';
import { Hearing } from './hearing.ts';

test('what expires by silence does not expire while nothing can be heard', () => {
  const time = { ms: 1000 };
  const hearing = new Hearing(() => time.ms);
  const aliveUntil = hearing.now() + 15_000;
  for (let beat = 0; beat < 2; beat += 1) {
    time.ms += 5000;
    hearing.heard();
  }
  expect(hearing.now()).toBe(11_000);
  time.ms += 600_000;
  expect(hearing.now()).toBe(23_000);
  hearing.heard();
  expect(hearing.now()).toBe(23_000);
  time.ms += 5000;
  hearing.heard();
  expect(hearing.now()).toBe(28_000);
  expect(aliveUntil).toBe(16_000);
});
