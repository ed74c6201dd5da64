import { describe, expect, test } from 'vitest';
import { Deliveries } from './deliveries.ts';
import { atRate, median, Samples } from './samples.ts';

describe('samples', () => {
  test('tell the duration that a share of all does not exceed', () => {
    const samples = new Samples();
    for (let ms = 100; ms >= 1; ms -= 1) samples.add(ms);
    expect([samples.at(0), samples.at(0.5), samples.at(0.99), samples.at(1)]).toEqual([1, 51, 100, 100]);
    expect(samples.summary).toBe('p50 51.0 ms, p99 100.0 ms');
  });

  test('of which there are none have no duration', () => {
    expect(new Samples().at(0.5)).toBeNaN();
    expect(median([])).toBeNaN();
  });
});

describe('an even rate', () => {
  test('does everything once and waits for it', async () => {
    const done: number[] = [];
    await atRate(2000, 20, async (index) => {
      await Promise.resolve();
      done.push(index);
    });
    expect(done).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });
});

describe('deliveries', () => {
  test('are missing until every reader was told', async () => {
    const deliveries = new Deliveries();
    await deliveries.expect({ id: 'a', rev: 2 }, 2, async () => deliveries.arrived({ id: 'a', rev: 2 }));
    deliveries.arrived({ id: 'a', rev: 1 });
    expect([deliveries.missing, deliveries.fromStart.count]).toEqual([1, 1]);
    deliveries.arrived({ id: 'a', rev: 2 });
    expect([deliveries.missing, deliveries.fromCommit.at(0)]).toEqual([0, 0]);
  });
});
