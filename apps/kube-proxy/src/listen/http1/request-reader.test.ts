import { describe, expect, test } from 'vitest';
import type { RequestHead } from './request-head.ts';
import { RequestReader } from './request-reader.ts';
import type { Violation } from './violation.ts';

interface Read {
  readonly heads: RequestHead[];
  readonly bodies: string[];
  /** How many of the requests came to their end. */
  ended: number;
}

const maxHeadBytes = 4096;

function read(parts: readonly Buffer[]): Read {
  const got: Read = { heads: [], bodies: [], ended: 0 };
  const reader = new RequestReader(
    {
      head: (head) => {
        got.heads.push(head);
        got.bodies.push('');
      },
      data: (chunk) => (got.bodies[got.bodies.length - 1] += chunk.toString('latin1')),
      end: () => (got.ended += 1),
    },
    maxHeadBytes,
  );
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      if (reader.isDone) reader.next();
      at += reader.push(part.subarray(at));
    }
  }
  return got;
}

const one = (text: string) => [Buffer.from(text, 'latin1')];
const everyByte = (text: string) => [...Buffer.from(text, 'latin1')].map((code) => Buffer.from([code]));

describe('requests are read alike however they are cut', () => {
  const post = 'POST /a?b=c HTTP/1.1\r\nHost: edge\r\n';
  const requests: Record<string, [text: string, bodies: string[], ended: number]> = {
    'without a body': ['GET / HTTP/1.1\r\nhost: edge\r\n\r\n', [''], 1],
    'with a length': [`${post}Content-Length: 5\r\n\r\nhello`, ['hello'], 1],
    'in chunks': [
      `${post}Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nImpersonate-User: x\r\n\r\n`,
      ['abc0123456789'],
      1,
    ],
    'one behind the other': [
      `${post}Content-Length: 2\r\n\r\nokGET /b HTTP/1.1\r\nHost: edge\r\n\r\n${post}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
      ['ok', '', 'x'],
      3,
    ],
    'that is incomplete': [`${post}Content-Length: 9\r\n\r\nhello`, ['hello'], 0],
  };
  test.each(Object.entries(requests))('%s', (_, [text, bodies, ended]) => {
    const whole = read(one(text));
    expect(whole).toMatchObject({ bodies, ended });
    expect(read(everyByte(text))).toEqual(whole);
    for (let at = 1; at < text.length; at += 1)
      expect(read([...one(text.slice(0, at)), ...one(text.slice(at))])).toEqual(whole);
  });

  test('trailers are no headers (H-21)', () => {
    const { heads } = read(one(requests['in chunks']![0]));
    expect(heads[0]!.rawHeaders).toEqual(['host', 'edge', 'transfer-encoding', 'Chunked']);
  });
});

describe('a head', () => {
  const headOf = (text: string) => read(one(text)).heads[0]!;
  const get = (fields: string, version = '1.1') => headOf(`GET /x HTTP/${version}\r\n${fields}\r\n`);

  test('keeps names in lower case and values as they are, without the blanks around them', () => {
    const { method, target, rawHeaders } = get('HOST:edge\r\nX-A: \t b c\xa0 \t\r\nx-a:\r\n');
    expect({ method, target }).toEqual({ method: 'GET', target: '/x' });
    expect(rawHeaders).toEqual(['host', 'edge', 'x-a', 'b c\xa0', 'x-a', '']);
  });

  test('says how the connection goes on', () => {
    expect(get('Host: a\r\n')).toMatchObject({ closes: false, upgrades: false, isOld: false });
    expect(get('Host: a\r\nConnection: keep-alive, Close\r\n').closes).toBe(true);
    expect(get('Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n').upgrades).toBe(true);
    expect(get('Host: a\r\nUpgrade: websocket\r\n').upgrades).toBe(false);
    expect(get('Host: a\r\nExpect: 100-Continue\r\n').awaitsContinue).toBe(true);
  });

  test('of HTTP/1.0 needs no Host, switches to nothing and is the last on its connection (S-06)', () => {
    const old = get(
      'Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\nExpect: 100-continue\r\n',
      '1.0',
    );
    expect(old).toMatchObject({ isOld: true, closes: true, upgrades: false, awaitsContinue: false });
  });

  test('with the fields of the one before is read without reading them again', () => {
    const text = 'GET /x HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n';
    const { heads } = read(one(text + text.replace('/x', '/y') + text.replace('b', 'c')));
    expect(heads.map(({ target }) => target)).toEqual(['/x', '/y', '/x']);
    expect(heads[1]!.rawHeaders).toBe(heads[0]!.rawHeaders);
    expect(heads[2]!.rawHeaders).toEqual(['host', 'a', 'accept', 'c']);
  });
});

describe('what can be read in two ways, or is no HTTP, is refused', () => {
  const violation = (parts: readonly Buffer[]): number => {
    try {
      read(parts);
    } catch (error) {
      return (error as Violation).status;
    }
    return 0;
  };
  const host = 'Host: edge\r\n';
  const post = (fields: string, body = '') => `POST / HTTP/1.1\r\n${host}${fields}\r\n${body}`;
  const chunked = (body: string) => post('Transfer-Encoding: chunked\r\n', body);

  test.each<[title: string, text: string, status: number]>([
    ['a length and chunks (S-01)', post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n'), 400],
    ['two codings (S-03)', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), 400],
    ['a coding behind chunks (S-03)', post('Transfer-Encoding: chunked, identity\r\n'), 400],
    ['a coding with another blank (S-03)', post('Transfer-Encoding: chunked\xa0\r\n'), 400],
    ['a blank before the colon (S-03)', post('Transfer-Encoding : chunked\r\n'), 400],
    ['the same length twice (S-04)', post('Content-Length: 1\r\nContent-Length: 1\r\n', 'x'), 400],
    ['an empty length (S-04)', post('Content-Length:\r\n'), 400],
    ['a length with an underscore (S-04)', post('Content-Length: 1_0\r\n'), 400],
    ['a bare LF in a head (S-05)', 'GET / HTTP/1.1\nHost: edge\r\n\r\n', 400],
    ['a bare CR in a head (S-05)', `GET / HTTP/1.1\r\n${host}X: a\rb\r\n\r\n`, 400],
    ['an empty line before it (S-05)', `\r\nGET / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a chunk that is longer than it says (S-05)', chunked('1\r\nxy\r\n0\r\n\r\n'), 400],
    ['a chunk whose size is in hexadecimal of C (S-05)', chunked('0x1\r\nx\r\n0\r\n\r\n'), 400],
    ['a chunk without CR (S-05)', chunked('1\nx\r\n0\r\n\r\n'), 400],
    ['a size that is all zeros (S-05)', chunked(`${'0'.repeat(300)}\r\n\r\n`), 400],
    ['trailers without end (S-05)', chunked(`0\r\n${'a: b\r\n'.repeat(65)}\r\n`), 400],
    ['two blanks behind the method (S-06)', `GET  / HTTP/1.1\r\n${host}\r\n`, 400],
    ['a blank behind the version (S-06)', `GET / HTTP/1.1 \r\n${host}\r\n`, 400],
    ['HTTP/2 as text (S-06)', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['another alphabet in the path (S-06)', `GET /\xe4 HTTP/1.1\r\n${host}\r\n`, 400],
    ['an unknown method (P-16)', `PROPFIND / HTTP/1.1\r\n${host}\r\n`, 400],
    ['CONNECT (S-06)', `CONNECT a:443 HTTP/1.1\r\n${host}\r\n`, 405],
    ['no Host (S-06)', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two Hosts (H-17)', `GET / HTTP/1.1\r\n${host}${host}\r\n`, 400],
    ['chunks of HTTP/1.0 (S-06)', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['a folded line (H-04)', `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`, 400],
    ['NUL in a value (H-04)', `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`, 400],
    ['a name of another alphabet (H-04)', `GET / HTTP/1.1\r\n${host}X\xe4: a\r\n\r\n`, 400],
    ['a line without a colon', `GET / HTTP/1.1\r\n${host}X\r\n\r\n`, 400],
    ['an unknown expectation (S-12)', post('Expect: 200-ok\r\n'), 417],
    [
      'a head that is too long (H-20)',
      `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(maxHeadBytes)}\r\n\r\n`,
      431,
    ],
    ['a head that does not end (H-20)', `GET / HTTP/1.1\r\nX: ${'x'.repeat(maxHeadBytes)}`, 431],
    ['what begins as no request does', '\x16\x03\x01', 400],
    ['what goes on as no request does', 'GET / HTTP/1.1\r\nX: \x01', 400],
  ])('%s', (_, text, status) => {
    expect(violation(one(text))).toBe(status);
    expect(violation(everyByte(text.slice(0, 900)))).toBe(text.length > 900 ? 0 : status);
  });

  test('a head in thousands of pieces (H-20)', () => {
    expect(violation(everyByte(`GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(1500)}`))).toBe(431);
  });
});
