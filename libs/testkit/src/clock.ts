import type { Clock } from '@postern/core';

/** A clock that stands still until it is told otherwise. */
export interface FixedClock extends Clock {
  advance(ms: number): void;
}

/** The clock of a test: it shows `start` until it is advanced. */
export function fixedClock(start = '2026-01-01T00:00:00.000Z'): FixedClock {
  let now = Date.parse(start);
  return Object.assign(() => new Date(now), {
    advance(ms: number) {
      now += ms;
    },
  });
}
