import type { EventView } from '@postern/client';
import { describe, expect, test } from 'vitest';
import { TimeOrder } from './merge.ts';

const event = (id: string, second: number): EventView => ({
  context: 'join',
  sequence: 1,
  id,
  stream: 'a/b',
  version: 1,
  type: 'T',
  v: 1,
  at: new Date(second * 1000).toISOString(),
  actor: '',
  correlationId: '',
  data: {},
});

function order() {
  const out: string[] = [];
  return { out, merged: new TimeOrder(['a', 'b'], ({ id }) => void out.push(id)) };
}

describe('the order of events of several services', () => {
  test('is that of their times while there is more behind', () => {
    const { out, merged } = order();
    merged.add('a', [event('a1', 1), event('a5', 5)], false);
    expect(out).toEqual([]);
    merged.add('b', [event('b2', 2), event('b3', 3)], false);
    expect(out).toEqual(['a1', 'b2', 'b3']);
    merged.add('b', [event('b6', 6)], true);
    expect(out).toEqual(['a1', 'b2', 'b3', 'a5']);
    merged.add('a', [], true);
    expect(out).toEqual(['a1', 'b2', 'b3', 'a5', 'b6']);
  });

  test('does not wait for a service that has nothing more', () => {
    const { out, merged } = order();
    merged.add('b', [], true);
    merged.add('a', [event('a9', 9)], true);
    merged.add('b', [event('b1', 1)], true);
    expect(out).toEqual(['a9', 'b1']);
  });

  test('does not wait for a service that cannot be reached', () => {
    const { out, merged } = order();
    merged.add('a', [event('a1', 1)], true);
    expect(merged.heldOf('a')).toBe(1);
    merged.giveUpOn('b');
    expect(out).toEqual(['a1']);
  });

  test('keeps what one service recorded at one time in its order', () => {
    const { out, merged } = order();
    merged.add('b', [], true);
    merged.add('a', [event('x', 1), event('y', 1), event('z', 1)], true);
    expect(out).toEqual(['x', 'y', 'z']);
  });
});
