import { describe, expect, test } from 'vitest';
import {
  address,
  addresses,
  common,
  type Field,
  fieldsOf,
  flag,
  httpsUrls,
  integer,
  duration,
  list,
  oneOf,
  optional,
  readConfig,
  secretText,
  text,
} from './index.ts';

const summary = 'a thing';

function read(field: Field<unknown>, value: string | undefined): unknown {
  return readConfig({ it: field }, { X: value }).it;
}

describe('a configuration', () => {
  test('is typed, in groups, with what stands for absent variables', () => {
    const schema = {
      name: text('NAME', { summary, fallback: 'postern' }),
      http: { listen: address('LISTEN', { summary }), port: optional(integer('PORT', { summary })) },
    };
    const config = readConfig(schema, { LISTEN: ':3080', NAME: '' });
    expect(config).toEqual({
      name: 'postern',
      http: { listen: { host: '0.0.0.0', port: 3080 }, port: undefined },
    });
    const port: number = config.http.listen.port;
    expect(port).toBe(3080);
  });

  test('reports every bad variable at once, and no secret', () => {
    const schema = {
      a: text('A', { summary: 'the letter a' }),
      b: integer('B', { summary }),
      c: secretText('C', { summary }),
    };
    const bad = {
      ...schema,
      c: {
        ...schema.c,
        parse: () => {
          throw new Error('is no good');
        },
      },
    };
    expect(() => readConfig(bad, { B: 'x', C: 'hunter2' })).toThrow(
      'the environment is not complete:\n  A is required: the letter a\n  B: must be a whole number from 0 to 9007199254740991 (it is "x")\n  C: is no good',
    );
  });

  test('lists its fields for the documents', () => {
    expect(
      fieldsOf({ a: text('A', { summary }), g: { b: text('B', { summary }) } }).map(
        ({ variable }) => variable,
      ),
    ).toEqual(['A', 'B']);
  });

  test('has common variables whose defaults are valid', () => {
    for (const field of fieldsOf(common)) if (field.fallback !== undefined) field.parse(field.fallback);
    expect(new Set(fieldsOf(common).map(({ variable }) => variable)).size).toBe(fieldsOf(common).length);
  });
});

describe('a field', () => {
  const good: [string, Field<unknown>, string, unknown][] = [
    ['text', text('X', { summary, pattern: /^a/ }), 'ab', 'ab'],
    ['integer', integer('X', { summary, min: 1, max: 9 }), '9', 9],
    ['duration', duration('X', { summary }), '1m30s', 90_000],
    ['flag', flag('X', { summary }), 'Off', false],
    ['flag that says yeah', flag('X', { summary }), 'YEAH', true],
    ['word', oneOf('X', ['a', 'b'], { summary }), 'b', 'b'],
    ['list', list('X', { summary }), 'a, b,c', ['a', 'b', 'c']],
    ['address', address('X', { summary }), 'h.example:80', { host: 'h.example', port: 80 }],
    ['IPv6 address', address('X', { summary }), '[::1]:80', { host: '::1', port: 80 }],
    [
      'list of addresses',
      addresses('X', { summary, defaultPort: 3080 }),
      'a,b:443,[::1]',
      ['a:3080', 'b:443', '[::1]:3080'],
    ],
    ['list of URLs', httpsUrls('X', { summary }), 'https://a:1, https://b/', ['https://a:1', 'https://b']],
  ];
  test.each(good)('%s is read', (_, field, value, expected) => {
    expect(read(field, value)).toEqual(expected);
  });

  const bad: [string, Field<unknown>, string][] = [
    ['text', text('X', { summary, pattern: /^a/ }), 'b'],
    ['integer above its bound', integer('X', { summary, max: 9 }), '10'],
    ['integer below its bound', integer('X', { summary }), '-1'],
    ['integer with a fraction', integer('X', { summary }), '1.0'],
    ['integer in hexadecimal', integer('X', { summary }), '0x10'],
    ['duration without a unit', duration('X', { summary }), '90'],
    ['duration below its bound', duration('X', { summary, minMs: 1000 }), '999ms'],
    ['duration above its bound', duration('X', { summary, maxMs: 1000 }), '2s'],
    ['flag', flag('X', { summary }), 'maybe'],
    ['flag named after a method', flag('X', { summary }), 'toString'],
    ['word', oneOf('X', ['a', 'b'], { summary }), 'A'],
    ['list with an empty item', list('X', { summary }), 'a,,b'],
    ['address without a port', address('X', { summary }), 'host'],
    ['address with a huge port', address('X', { summary }), 'host:65536'],
    ['address with a scheme', address('X', { summary }), 'https://host:1'],
    ['URL without TLS', httpsUrls('X', { summary }), 'http://a'],
    ['URL with a password', httpsUrls('X', { summary }), 'https://u:p@a'],
    ['URL with a path', httpsUrls('X', { summary }), 'https://a/b'],
    ['URL with a query', httpsUrls('X', { summary }), 'https://a?b'],
  ];
  test.each(bad)('%s that is wrong is refused', (_, field, value) => {
    expect(() => read(field, value)).toThrow('X: ');
  });
});
