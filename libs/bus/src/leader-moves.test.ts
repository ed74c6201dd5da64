import { describe, expect, test } from 'vitest';
import { leaderMoves } from './leader-moves.ts';

/** Streams s0, s1… with these leaders, of which every server that is up has a copy. */
function streams(leaders: readonly string[], up: readonly string[] = ['a', 'b', 'c']) {
  return leaders.map((leader, at) => ({
    name: `s${at}`,
    leader,
    ready: up.filter((server) => server !== leader),
  }));
}

describe('leaders', () => {
  test('that are on servers of their own stay', () => {
    expect(leaderMoves(streams(['b', 'c', 'a']))).toEqual([]);
  });

  test('of which a server has two too many move, and no more of them than needed', () => {
    expect(leaderMoves(streams(['a', 'a', 'b']))).toEqual([{ stream: 's0', to: 'c' }]);
    expect(leaderMoves(streams(['c', 'c', 'c']))).toEqual([
      { stream: 's0', to: 'a' },
      { stream: 's1', to: 'b' },
    ]);
    expect(leaderMoves(streams(['a', 'a', 'b', 'c']))).toEqual([]);
  });

  test('share the servers that are left while one is away', () => {
    expect(leaderMoves(streams(['a', 'a', 'a'], ['a', 'b']))).toEqual([{ stream: 's0', to: 'b' }]);
    expect(leaderMoves(streams(['a', 'a', 'b'], ['a', 'b']))).toEqual([]);
  });

  test('stay where nobody else is ready', () => {
    expect(leaderMoves(streams(['a', 'a', 'a'], ['a']))).toEqual([]);
    expect(leaderMoves([])).toEqual([]);
  });
});
