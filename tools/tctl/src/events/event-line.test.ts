import { describe, expect, test } from 'vitest';
import { eventLine } from './event-line.ts';
import { sinceOf } from './since.ts';

const event = {
  context: 'resource',
  sequence: 1,
  id: 'i',
  stream: 'role/dev',
  version: 3,
  type: 'ResourceUpserted',
  v: 1,
  at: '2026-01-02T03:04:05.678Z',
  actor: 'spiffe://postern/user/alice',
  correlationId: 'c',
  data: { kind: 'role' },
};

describe('the line of an event', () => {
  test('tells when, what, of what and by whom', () => {
    expect(eventLine(event)).toBe(
      '2026-01-02T03:04:05.678Z  ResourceUpserted  role/dev@3  user/alice  {"kind":"role"}',
    );
  });

  test('is one line without escapes, however long and strange the data is', () => {
    const data = { text: `\u001B[2J\n${'x'.repeat(1000)}` };
    const line = eventLine({ ...event, actor: '', stream: 'role/a\nb', data });
    expect(line).not.toMatch(/[\n\u001B]/);
    expect(line.length).toBeLessThan(320);
    expect(line).toContain('  -  ');
  });
});

describe('a beginning', () => {
  const now = new Date('2026-01-02T12:00:00Z');

  test.each([
    ['2h', '2026-01-02T10:00:00.000Z'],
    ['90s', '2026-01-02T11:58:30.000Z'],
    ['-1h', '2026-01-02T11:00:00.000Z'],
    ['2026-01-01', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T10:00:00+02:00', '2026-01-01T08:00:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(sinceOf(text, now)).toBe(expected);
  });

  test.each(['yesterday', '', '2026-13-45', '1d', '2026-01-01Tx'])(
    '%j is refused with how to write it',
    (text) => {
      expect(() => sinceOf(text, now)).toThrow('write how long ago');
    },
  );
});
