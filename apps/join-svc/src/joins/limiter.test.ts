import { describe, expect, test } from 'vitest';
import { JoinLimiter, type Shown } from './limiter.ts';

function limiterAt(start = 0) {
  let now = start;
  const limiter = new JoinLimiter(() => new Date(now));
  const fail = (address: string, times: number, shown: Shown = 'nothing') => {
    let passed = 0;
    for (let at = 0; at < times; at += 1) {
      try {
        limiter.enter(address, () => shown);
        passed += 1;
      } catch {
        // Counted by its absence.
      }
    }
    return passed;
  };
  return { limiter, fail, wait: (ms: number) => void (now += ms) };
}

describe('the limiter of joins', () => {
  test('stops an address that fails (J-12)', () => {
    expect(limiterAt().fail('192.0.2.1', 100_000)).toBe(200);
  });

  test('forgives slowly', () => {
    const { fail, wait } = limiterAt();
    fail('192.0.2.1', 1000);
    wait(1000);
    expect(fail('192.0.2.1', 1000)).toBe(5);
  });

  test('does not count successes', () => {
    const { limiter } = limiterAt();
    for (let at = 0; at < 10_000; at += 1) limiter.enter('192.0.2.1', () => 'secret')();
    expect(() => limiter.check('192.0.2.1')).not.toThrow();
  });

  test('leaves other addresses alone until all together fail too much', () => {
    const { fail } = limiterAt();
    fail('192.0.2.1', 1000);
    expect(fail('192.0.2.2', 1)).toBe(1);
    const passed = Array.from({ length: 100 }, (_, at) => fail(`198.51.100.${at}`, 200));
    expect(passed.reduce((sum, count) => sum + count, 0)).toBe(2000 - 201);
  });

  const kinds = ['secret', 'challenge', 'name', 'nothing'] as const;

  test.each(kinds)('does not let those that show %s turn away others (J-12, I-16)', (shown) => {
    const { fail } = limiterAt();
    const passed = Array.from({ length: 100 }, (_, at) => fail(`198.51.100.${at}`, 200, shown));
    expect(passed.reduce((sum, count) => sum + count, 0)).toBe(2000);
    const others = kinds.filter((kind) => kind !== shown);
    expect(others.map((kind) => fail('192.0.2.1', 1, kind))).toEqual([1, 1, 1]);
  });

  test('knows who has failed too often without asking what is shown (J-12)', () => {
    const { limiter, fail, wait } = limiterAt();
    fail('192.0.2.1', 199);
    expect(limiter.isSpent('192.0.2.1')).toBe(false);
    fail('192.0.2.1', 1);
    expect(limiter.isSpent('192.0.2.1')).toBe(true);
    expect(limiter.isSpent('192.0.2.2')).toBe(false);
    wait(200);
    expect(limiter.isSpent('192.0.2.1')).toBe(false);
  });

  test('counts a guess that was turned away with all others, and nothing but guesses (J-12)', () => {
    const { limiter, fail } = limiterAt();
    for (let at = 0; at < 20; at += 1) fail(`198.51.100.${at}`, 100);
    expect(fail('192.0.2.1', 200)).toBe(0);
    expect(limiter.isSpent('192.0.2.1')).toBe(true);
    for (let at = 0; at < 20; at += 1) fail(`203.0.113.${at}`, 100, 'name');
    expect(fail('192.0.2.2', 1000, 'name')).toBe(0);
    expect(limiter.isSpent('192.0.2.2')).toBe(false);
  });

  test('does not ask an address that failed too often what it shows', () => {
    const { limiter, fail } = limiterAt();
    fail('192.0.2.1', 200);
    const ask = () => {
      throw new Error('it was asked');
    };
    expect(() => limiter.enter('192.0.2.1', ask)).toThrow('too many joins');
  });

  test('takes no place where it cannot be told what is shown', () => {
    const { limiter, fail } = limiterAt();
    const ask = () => {
      throw new Error('not ready');
    };
    for (let at = 0; at < 1000; at += 1) expect(() => limiter.enter('192.0.2.1', ask)).toThrow('not ready');
    expect(fail('192.0.2.1', 1000)).toBe(200);
  });

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('takes %s and %s for one', (one, other) => {
    const { fail } = limiterAt();
    fail(one, 1000);
    expect(fail(other, 1)).toBe(0);
  });

  test('takes neighbours in IPv6 for two', () => {
    const { fail } = limiterAt();
    fail('2001:db8:1:2::1', 1000);
    expect(fail('2001:db8:1:3::1', 1)).toBe(1);
  });
});
