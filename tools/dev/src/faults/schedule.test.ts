import { describe, expect, test } from 'vitest';
import { describeSchedule, makeSchedule } from './schedule.ts';

const targets = { kill: ['join-svc-0', 'nats-0'], cut: ['join-svc-0>nats'], clock: ['kube-proxy-1'] };

describe('a schedule of faults', () => {
  test('is decided by its seed', () => {
    const plan = { seed: 7, lengthMs: 60_000, targets };
    expect(makeSchedule(plan)).toEqual(makeSchedule(plan));
    expect(makeSchedule({ ...plan, seed: 8 })).not.toEqual(makeSchedule(plan));
  });

  test('has only faults and targets that were asked for, within its length', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      for (const { kind, target, atMs } of makeSchedule({ seed, lengthMs: 20_000, targets })) {
        expect(targets[kind as keyof typeof targets]).toContain(target);
        expect(atMs).toBeLessThan(20_000);
      }
    }
  });

  test('never breaks what is still broken', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const ends = new Map<string, number>();
      for (const { target, atMs, forMs } of makeSchedule({ seed, lengthMs: 60_000, targets })) {
        expect(atMs).toBeGreaterThanOrEqual(ends.get(target) ?? 0);
        ends.set(target, atMs + forMs);
      }
    }
  });

  test('is told one fault a line', () => {
    const line = describeSchedule([{ kind: 'clock', target: 'a', atMs: 1500, forMs: 2000, seconds: -3600 }]);
    expect(line).toBe('    1.5 s  clock a by -1 h for 2.0 s');
  });
});
