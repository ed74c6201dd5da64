import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isStale, slotAt } from './slot.ts';

const moments = fc.integer({ min: 0, max: 4_102_444_800_000 });
const lengths = fc.integer({ min: 1_000, max: 86_400_000 });

describe('a slot', () => {
  test('holds the moment it is asked for, and begins where another ends', () => {
    fc.assert(
      fc.property(moments, lengths, (at, slotMs) => {
        const slot = slotAt(at, slotMs);
        expect(slot).toBeLessThanOrEqual(at);
        expect(at - slot).toBeLessThan(slotMs);
        expect(slotAt(slot, slotMs)).toBe(slot);
        expect(slotAt(slot + slotMs - 1, slotMs)).toBe(slot);
        expect(slotAt(slot + slotMs, slotMs)).toBe(slot + slotMs);
      }),
    );
  });

  test('is the same for whoever asks while it lasts, and never an earlier one later', () => {
    fc.assert(
      fc.property(moments, fc.integer({ min: 0, max: 172_800_000 }), lengths, (at, later, slotMs) => {
        const [first, second] = [slotAt(at, slotMs), slotAt(at + later, slotMs)];
        expect(second).toBeGreaterThanOrEqual(first);
        expect(first === second).toBe(at + later < first + slotMs);
      }),
    );
  });

  test('is stale from the end of the next one, and not before', () => {
    fc.assert(
      fc.property(moments, lengths, fc.integer({ min: 0, max: 259_200_000 }), (at, slotMs, later) => {
        const slot = slotAt(at, slotMs);
        const slotsSince = (slotAt(at + later, slotMs) - slot) / slotMs;
        expect(isStale({ slot, slotMs }, at + later)).toBe(slotsSince >= 2);
      }),
    );
  });
});
