import { describe, expect, test } from 'vitest';
import { type Counted, OpenCounts } from './open-counts.ts';
import { RequestRates } from './request-rates.ts';
import { defaultUserLimits } from './user-limits.ts';

const request = (user: string, cluster = 'c1', subresource = ''): Counted => ({
  principal: { type: 'user', id: user, clusterName: 'c', roles: [], notAfter: new Date(1), fingerprint: '' },
  cluster,
  attributes: { resource: 'pods', subresource },
});

describe('requests under way', () => {
  test('are counted for each user, and again when they have ended (X-06)', () => {
    const counts = new OpenCounts({ ...defaultUserLimits, open: 2 }, () => undefined);
    counts.enter(request('alice'));
    counts.enter(request('alice', 'c2'));
    expect(() => counts.enter(request('alice'))).toThrow(/user "alice" are under way \(max=2\)/);
    counts.enter(request('bob'));
    counts.leave(request('alice'));
    counts.enter(request('alice'));
  });

  test('of one cluster leave room for those of others (K-12, X-06)', () => {
    const counts = new OpenCounts({ ...defaultUserLimits, openPerCluster: 1 }, () => undefined);
    counts.enter(request('alice', 'hanging'));
    expect(() => counts.enter(request('alice', 'hanging'))).toThrow(/in cluster "hanging" \(max=1\)/);
    counts.enter(request('alice', 'other'));
  });

  test('that are sessions are as few as the strictest role says (X-08)', () => {
    const counts = new OpenCounts({ ...defaultUserLimits, sessions: 3 }, () => 1);
    counts.enter(request('alice', 'c1', 'exec'));
    expect(() => counts.enter(request('alice', 'c2', 'portforward'))).toThrow(
      'too many concurrent kubernetes connections for user "alice" (max=1)',
    );
    counts.enter(request('alice', 'c1', 'log'));
    counts.leave(request('alice', 'c1', 'exec'));
    counts.enter(request('alice', 'c1', 'attach'));
  });

  test('are not limited where the limit is zero', () => {
    const counts = new OpenCounts(
      { requestsPerSecond: 0, open: 0, openPerCluster: 0, sessions: 0 },
      () => undefined,
    );
    for (let count = 0; count < 100; count += 1) counts.enter(request('alice', 'c1', 'exec'));
    expect(() => counts.enter(request('alice', 'c1', 'exec'))).not.toThrow();
  });
});

describe('the rate of requests', () => {
  const start = (perSecond: number) => {
    let now = 1_000_000;
    const rates = new RequestRates(() => new Date(now), perSecond);
    const taken = (user: string, times: number) => {
      let count = 0;
      try {
        for (; count < times; count += 1) rates.take(user);
      } catch (error) {
        expect(String(error)).toContain('per second');
      }
      return count;
    };
    return { taken, pass: (ms: number) => (now += ms) };
  };

  test('allows a burst, then so many per second, for each user', () => {
    const { taken, pass } = start(10);
    expect(taken('alice', 100)).toBe(20);
    expect(taken('bob', 5)).toBe(5);
    pass(500);
    expect(taken('alice', 100)).toBe(5);
    pass(60_000);
    expect(taken('alice', 100)).toBe(20);
  });

  test('gives nothing for a clock that is set back, and does not end one for long (X-13)', () => {
    const { taken, pass } = start(10);
    expect(taken('alice', 20)).toBe(20);
    pass(-86_400_000);
    expect(taken('alice', 1)).toBe(0);
    pass(1000);
    expect(taken('alice', 100)).toBe(10);
  });

  test('keeps no user that has asked long ago', () => {
    const { taken, pass } = start(1);
    for (let user = 0; user < 10_000; user += 1) taken(`user-${user}`, 1);
    pass(60_000);
    expect(taken('another', 5)).toBe(2);
    expect(taken('user-1', 5)).toBe(2);
  });
});
