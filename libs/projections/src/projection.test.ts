import { defineEvent, type NewEvent, type StoredEvent } from '@postern/contracts';
import type { Kysely } from 'kysely';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { applyInline, on, onMany, projection } from './projection.ts';

const Happened = defineEvent('Happened', {
  context: 'join',
  summary: 'It happened.',
  v: 1,
  data: Type.Object({}),
});

const Ended = defineEvent('Ended', {
  context: 'join',
  summary: 'It ended.',
  v: 1,
  data: Type.Object({}),
});
const Ignored = defineEvent('Ignored', {
  context: 'join',
  summary: 'Nobody reads it.',
  v: 1,
  data: Type.Object({}),
});

function stored(event: unknown, at: number): StoredEvent {
  const { type, v, data } = event as NewEvent;
  return { id: String(at), stream: 'thing/1', version: at, type, v, data, meta: {}, at: '' };
}

test('events of a type that follow each other come at once, and in their place among the others', async () => {
  const seen: string[] = [];
  const things = projection<{ thing: object }>(
    'thing',
    1,
    ['thing'],
    onMany(Happened, async (_, events) => seen.push(events.map(({ event }) => event.id).join('+'))),
    on(Ended, async (_, __, { id }) => seen.push(`end ${id}`)),
  );
  const events = [Happened({}), Ignored({}), Happened({}), Ended({}), Ended({}), Happened({})];
  await applyInline(things, {} as Kysely<{ thing: object }>, events.map(stored));
  expect(seen).toEqual(['0+2', 'end 3', 'end 4', '5']);
});

test('a projection that handles an event type twice is refused', () => {
  const handler = () => on<typeof Happened, { thing: object }>(Happened, async () => {});
  expect(() => projection('thing', 1, ['thing'], handler(), handler())).toThrow(
    'the projection thing handles Happened twice',
  );
});
