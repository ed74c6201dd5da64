import { AppError, Secret } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { type LogFields, makeLogger } from './logger.ts';
import { silentTelemetry } from './telemetry.ts';

function recordOf(message: string, fields: LogFields, format: 'json' | 'text' = 'json'): string {
  const lines: string[] = [];
  const now = () => new Date('2030-01-02T03:04:05.678Z');
  makeLogger({ name: 'x-svc', level: 'debug', format, write: (line) => lines.push(line), now }).info(
    message,
    fields,
  );
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

describe('a log record', () => {
  test('is one line of JSON with time, level, service and message', () => {
    expect(JSON.parse(recordOf('it started', { port: 1, ok: true, none: null }))).toEqual({
      time: '2030-01-02T03:04:05.678Z',
      level: 'info',
      service: 'x-svc',
      message: 'it started',
      port: 1,
      ok: true,
      none: null,
    });
  });

  test('cannot be given another time, level or service by its fields', () => {
    const record = JSON.parse(
      recordOf('m', { level: 'debug', time: 'x', service: 'y', message: 'z' }),
    ) as object;
    expect(record).toMatchObject({ level: 'info', service: 'x-svc', message: 'm' });
  });

  const hostile = {
    'line feeds': 'a\r\n{"level":"error"}',
    'terminal escapes': '\u001b[31mred\u009b2J\u007f',
    'line separators': 'a\u2028b\u2029c\u0085d',
    'bidi controls': 'a\u202egpj.exe\u2066x\u200f',
    'lone surrogates': 'a\ud800b',
    'a NUL': 'a\0b',
  };
  test.each(Object.entries(hostile))('stays one plain line with %s, in JSON and in text', (_, text) => {
    for (const format of ['json', 'text'] as const) {
      const line = recordOf(
        text,
        { userAgent: text, [text]: 1, list: [text], error: new Error(text) },
        format,
      );
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    }
    expect((JSON.parse(recordOf('m', { text })) as { text: string }).text.length).toBeGreaterThanOrEqual(
      text.length,
    );
  });

  test('is capped whatever it is given', () => {
    const big = 'x'.repeat(1_000_000);
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, big]));
    for (const format of ['json', 'text'] as const) {
      expect(recordOf(big, { big, many, list: Array(10_000).fill(big) }, format).length).toBeLessThan(20_000);
    }
    expect(JSON.parse(recordOf('m', many))).toMatchObject({ message: 'm' });
  });

  test('ends for a value that contains itself', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(JSON.parse(recordOf('m', { loop }))).toMatchObject({ loop: { self: { self: {} } } });
  });

  test('shows a secret, a private key and bytes as what they are and no more', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----';
    const fields = {
      token: new Secret('hunter2'),
      nested: { list: [new Secret('hunter2')] },
      pem,
      bytes: Buffer.from('hunter2'),
    };
    const line = recordOf('m', fields) + recordOf('m', fields, 'text');
    expect(line).not.toContain('hunter2');
    expect(line).not.toContain('MIGH');
    expect(line).toContain('***');
    expect(line).toContain('<7 bytes>');
  });

  test('tells an error with its code and its cause', () => {
    const error = new AppError('internal', 'core.unexpected', 'oops', {
      cause: new TypeError('not a function'),
    });
    expect(JSON.parse(recordOf('failed', { error }))).toMatchObject({
      error: {
        code: 'core.unexpected',
        message: 'oops',
        cause: { name: 'TypeError', message: 'not a function' },
      },
    });
  });
});

describe('a logger', () => {
  test('drops what is below its level', () => {
    const lines: string[] = [];
    const log = makeLogger({
      name: 'x',
      level: 'warn',
      format: 'json',
      write: (line) => lines.push(line),
      now: () => new Date(),
    });
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(['c', 'd']);
  });

  test('is silent in tests and remembers', async () => {
    await using telemetry = silentTelemetry();
    telemetry.log.debug('hello', { a: 1 });
    expect(telemetry.lines).toHaveLength(1);
    expect(telemetry.lines[0]).toContain('"message":"hello"');
  });
});
