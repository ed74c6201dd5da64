import { describe, expect, test } from 'vitest';
import { type AnswerHeaders, AnswerReader } from './answer-reader.ts';

interface Read {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
  /** Undefined while the answer has not ended. */
  readonly isReusable: boolean | undefined;
}

function read(parts: readonly Buffer[], { method = 'GET', ends = false } = {}): Read {
  let status = 0;
  let headers: AnswerHeaders = {};
  let body = '';
  let isReusable: boolean | undefined;
  const reader = new AnswerReader({
    head: (code, fields) => {
      status = code;
      headers = { ...fields };
    },
    data: (chunk) => (body += chunk.toString('latin1')),
    end: (reusable) => (isReusable = reusable),
  });
  reader.expect(method);
  for (const part of parts) reader.push(part);
  if (ends) reader.finish();
  return { status, headers, body, isReusable };
}

const one = (text: string) => [Buffer.from(text, 'latin1')];
const everyByte = (text: string) => [...Buffer.from(text, 'latin1')].map((code) => Buffer.from([code]));

const ok = 'HTTP/1.1 200 OK\r\n';

describe('an answer is read alike however it is cut', () => {
  const answers: Record<string, [text: string, body: string, isReusable: boolean | undefined]> = {
    'with a length': [`${ok}Content-Length: 5\r\n\r\nhello`, 'hello', true],
    'of no length': [`${ok}content-length: 0\r\n\r\n`, '', true],
    'in chunks': [
      `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n`,
      'abc0123456789',
      true,
    ],
    'that closes': [`${ok}connection: keep-alive, Close\r\ncontent-length: 2\r\n\r\nok`, 'ok', false],
    'without a reason': ['HTTP/1.1 404\r\ncontent-length: 2\r\n\r\nno', 'no', true],
    'after informational ones': [
      `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok}content-length: 1\r\n\r\nz`,
      'z',
      true,
    ],
    'without a body': ['HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n', '', true],
    'that is incomplete': [`${ok}content-length: 9\r\n\r\nhello`, 'hello', undefined],
  };
  test.each(Object.entries(answers))('%s', (_, [text, body, isReusable]) => {
    const whole = read(one(text));
    expect(whole).toMatchObject({ body, isReusable });
    expect(read(everyByte(text))).toEqual(whole);
    for (let at = 1; at < text.length; at += 1)
      expect(read([...one(text.slice(0, at)), ...one(text.slice(at))])).toEqual(whole);
  });
});

test('an answer without a length ends with its connection, which is not used again', () => {
  expect(read(one(`${ok}\r\nabc`))).toMatchObject({ body: 'abc', isReusable: undefined });
  expect(read(one(`${ok}\r\nabc`), { ends: true })).toMatchObject({ body: 'abc', isReusable: false });
});

test('an answer to HEAD has no body, whatever length it says', () => {
  expect(read(one(`${ok}content-length: 9\r\n\r\n`), { method: 'HEAD' })).toMatchObject({ isReusable: true });
});

test('a header that comes twice has both values', () => {
  const { headers } = read(one(`${ok}Warning: a\r\nwarning: b\r\nWarning:c\r\ncontent-length: 0\r\n\r\n`));
  expect(headers['warning']).toEqual(['a', 'b', 'c']);
});

test.each([
  ['two lengths that differ', `${ok}content-length: 5\r\ncontent-length: 6\r\n\r\n`],
  ['a length twice', `${ok}content-length: 5\r\ncontent-length: 5\r\n\r\n`],
  ['a list of lengths', `${ok}content-length: 5, 5\r\n\r\n`],
  ['a signed length', `${ok}content-length: +5\r\n\r\n`],
  ['a length in hexadecimal', `${ok}content-length: 0x5\r\n\r\n`],
  ['a length without end', `${ok}content-length: 99999999999999999999\r\n\r\n`],
  ['a length and chunks', `${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`],
  ['another coding', `${ok}transfer-encoding: gzip, chunked\r\n\r\n`],
  ['a coding twice', `${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`],
  ['a chunk whose size is no number', `${ok}transfer-encoding: chunked\r\n\r\nx\r\n`],
  ['a chunk of a negative size', `${ok}transfer-encoding: chunked\r\n\r\n-1\r\n`],
  ['a chunk of a size beyond counting', `${ok}transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF1\r\n`],
  ['a chunk longer than it says', `${ok}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n`],
  ['a chunk size ended by LF alone', `${ok}transfer-encoding: chunked\r\n\r\n1\nab\r\n`],
  ['an extension without end', `${ok}transfer-encoding: chunked\r\n\r\n1;${'x'.repeat(300)}`],
  ['trailers without end', `${ok}transfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(70)}`],
  ['a head without end', `${ok}${'a: b\r\n'.repeat(20_000)}`],
  ['a line ended by LF alone', 'HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n'],
  ['a CR within a value', `${ok}x: a\rb\r\n\r\n`],
  ['a NUL within a value', `${ok}x: a\0b\r\n\r\n`],
  ['a folded header', `${ok}x: a\r\n b: c\r\n\r\n`],
  ['a blank before the colon', `${ok}content-length : 5\r\n\r\n`],
  ['a header without a colon', `${ok}nothing\r\n\r\n`],
  ['another version', 'HTTP/1.0 200 OK\r\n\r\n'],
  ['another protocol', 'SSH-2.0-x\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['informational answers without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(20)],
])('%s is refused, whole or byte by byte (S-05, S-14)', (_, text) => {
  expect(() => read(one(text))).toThrow(expect.objectContaining({ code: 'kube.malformed_answer' }));
  expect(() => read(everyByte(text))).toThrow(expect.objectContaining({ code: 'kube.malformed_answer' }));
});

test('what follows an answer is refused, and the answer is whole all the same (S-14)', () => {
  let ended = 0;
  const reader = new AnswerReader({ head: () => undefined, data: () => undefined, end: () => (ended += 1) });
  reader.expect('GET');
  expect(() => reader.push(one(`${ok}content-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n`)[0]!)).toThrow(/follows/);
  expect(ended).toBe(1);
});

test('headers named as parts of objects are but headers (Q-05)', () => {
  const { headers } = read(one(`${ok}__proto__: x\r\nconstructor: y\r\ncontent-length: 0\r\n\r\n`));
  expect(Object.keys(headers).toSorted()).toEqual(['__proto__', 'constructor', 'content-length']);
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});
