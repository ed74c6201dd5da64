import { describe, expect, test } from 'vitest';
import { objectIdentity } from './object-identity.ts';

const field = (number: number, bytes: Buffer) =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
const metadata = Buffer.concat([
  field(1, Buffer.from('web-1')),
  field(2, Buffer.from('web-')),
  field(5, Buffer.from('42')),
]);
const protobuf = Buffer.concat([
  Buffer.from('k8s\0'),
  field(1, Buffer.from('x')),
  field(2, field(1, metadata)),
]);

describe('the identity in a body', () => {
  const wanted = { name: 'web-1', generateName: 'web-', uid: '42' };

  test.each([
    ['application/json', Buffer.from(JSON.stringify({ metadata: wanted }))],
    ['application/json; charset=utf-8', Buffer.from(JSON.stringify({ metadata: wanted }))],
    [undefined, Buffer.from(JSON.stringify({ metadata: wanted }))],
    ['Application/JSON', Buffer.from(` {"kind": "X", "metadata": ${JSON.stringify(wanted)} , "spec": {}}\n`)],
    ['application/vnd.kubernetes.protobuf', protobuf],
  ])('is read from %s', (type, body) => {
    expect(objectIdentity(body, type)).toEqual(wanted);
  });

  test.each([
    ['metadata twice', Buffer.concat([field(1, field(1, Buffer.from('denied'))), field(1, Buffer.alloc(0))])],
    ['a name twice', field(1, Buffer.concat([metadata, field(1, Buffer.from('denied'))]))],
    // The field number is 2^32 + 1, which a decoder of 32 bits reads as 1.
    [
      'a name in disguise',
      field(
        1,
        Buffer.concat([Buffer.from('8a8080808001', 'hex'), field(1, Buffer.from('denied')).subarray(1)]),
      ),
    ],
  ])('is refused with %s', (_, object) => {
    const body = Buffer.concat([Buffer.from('k8s\0'), field(2, object)]);
    expect(() => objectIdentity(body, 'application/vnd.kubernetes.protobuf')).toThrow(/cannot be read/);
  });

  test.each([
    ['application/json', '{"metadata":{"name":7}}'],
    ['application/json', '{"metadata":[]}'],
    ['application/json', 'nonsense'],
    ['application/json', '{"metadata":{"name":"denied"},"metadata":{}}'],
    ['application/json', '{"metadata":{"name":"denied"},"met\\u0061data":{"generateName":"web-"}}'],
    ['application/json', '{"metadata":{"name":"denied","generateName":"a","n\\u0061me":null}}'],
    ['application/json', '{"a":{"b":[1,{"c":"}"}]},"metadata":{"uid":"1","labels":{},"uid":""}}'],
    ['application/yaml', 'metadata: {name: web-1}'],
    ['application/yaml', 'metadata:\n  <<: {name: denied}\n  generateName: web-\n'],
    ['application/cbor', '\u00a0'],
    ['application/vnd.kubernetes.protobuf', 'k8s\0\u0012\u007f'],
    ['application/vnd.kubernetes.protobuf', 'nonsense'],
  ])('is refused in %s: %j', (type, body) => {
    expect(() => objectIdentity(Buffer.from(body), type)).toThrow(/cannot be read/);
  });
});
