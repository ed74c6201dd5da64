import { expect, test } from 'vitest';
import { momentOf, timeOf } from './moment.ts';

const now = new Date('2026-11-21T12:00:00.000Z');

test.each([
  ['2h', '2026-11-21T10:00:00.000Z'],
  ['90s', '2026-11-21T11:58:30.000Z'],
  ['-1h30m', '2026-11-21T10:30:00.000Z'],
  ['0', '2026-11-21T12:00:00.000Z'],
  ['2026-11-20', '2026-11-20T00:00:00.000Z'],
  ['2026-11-20T10:00:00Z', '2026-11-20T10:00:00.000Z'],
  ['2026-11-20T10:00:00.5+01:00', '2026-11-20T09:00:00.500Z'],
])('%s is %s', (text, time) => {
  expect(momentOf(text, now)).toEqual({ time });
});

test('a revision is one in either case', () => {
  const revision = '0b1c2d3e-4f50-8a6b-9c7d-0123456789ab';
  expect(momentOf(revision.toUpperCase(), now)).toEqual({ revision });
});

test.each([
  '',
  'yesterday',
  '2d',
  '2026-13-45',
  '2026-11-20 10:00',
  '2026-11-20T10:00:00',
  '1h\n',
  '0b1c2d3e',
])('%j is refused with what to write', (text) => {
  expect(() => momentOf(text, now)).toThrow(/^invalid moment .*write a revision/);
  expect(() => timeOf(text, now)).toThrow(/^invalid moment/);
});
