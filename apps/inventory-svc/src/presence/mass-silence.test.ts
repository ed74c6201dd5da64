import { describe, expect, test } from 'vitest';
import { MassSilence } from './expiry.ts';

const fleet = (online: number, overdue: number) => ({
  online,
  offline: 0,
  overdue,
  longestIntervalMs: 1_000,
});
const at = (ms: number) => new Date(ms);

describe('a mass silence', () => {
  test.each([
    ['a few of a few', 9, 9, false],
    ['half of many', 10, 5, false],
    ['more than half of many', 10, 6, true],
    ['all of many', 1000, 1000, true],
  ])('of %s is suspected: %i, %i → %s', (_, online, overdue, expected) => {
    expect(new MassSilence().isSuspected(fleet(online, overdue), at(0))).toBe(expected);
  });

  test('is believed after ten intervals, and suspected anew after it ended', () => {
    const mass = new MassSilence();
    expect(mass.isSuspected(fleet(10, 10), at(0))).toBe(true);
    expect(mass.isSuspected(fleet(10, 10), at(9_999))).toBe(true);
    expect(mass.isSuspected(fleet(10, 10), at(10_000))).toBe(false);
    expect(mass.isSuspected(fleet(10, 0), at(11_000))).toBe(false);
    expect(mass.isSuspected(fleet(10, 10), at(12_000))).toBe(true);
  });
});
