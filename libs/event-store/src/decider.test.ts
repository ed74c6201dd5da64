import { defineEvent, type StoredEvent } from '@postern/contracts';
import { Type } from 'typebox';
import { describe, expect, test } from 'vitest';
import { type Decider, fold } from './decider.ts';

const Counted = defineEvent('Counted', {
  context: 'join',
  summary: 'Something was counted.',
  v: 2,
  data: Type.Object({ by: Type.Integer() }),
  upcast: { 1: ({ amount }) => ({ by: amount! }) },
});
type Counted = ReturnType<typeof Counted>;

const counter: Decider<number, number, Counted> = {
  initial: 10,
  decide: (by) => [Counted({ by })],
  evolve: (total, event) => total + event.data.by,
  events: [Counted],
};
const stored = (v: number, data: StoredEvent['data']): StoredEvent => ({
  id: 'i',
  stream: 'counter/1',
  version: 1,
  type: 'Counted',
  v,
  data,
  meta: {},
  at: '2026-01-01T00:00:00.000Z',
});

describe('fold', () => {
  test('begins with the initial state', () => {
    expect(fold(counter, [])).toBe(10);
  });

  test('gives old events to the decider in their current version', () => {
    expect(fold(counter, [stored(1, { amount: 1 }), stored(2, { by: 2 })])).toBe(13);
  });

  test('goes on from a state', () => {
    expect(fold(counter, [stored(2, { by: 2 })], 100)).toBe(102);
  });
});
