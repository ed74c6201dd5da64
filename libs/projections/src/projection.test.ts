import { defineEvent } from '@postern/contracts';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { on, projection } from './projection.ts';

const Happened = defineEvent('Happened', {
  context: 'join',
  summary: 'It happened.',
  v: 1,
  data: Type.Object({}),
});

test('a projection that handles an event type twice is refused', () => {
  const handler = () => on<typeof Happened, { thing: object }>(Happened, async () => {});
  expect(() => projection('thing', 1, ['thing'], handler(), handler())).toThrow(
    'the projection thing handles Happened twice',
  );
});
