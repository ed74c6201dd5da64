import { describe, expect, test } from 'vitest';
import { objectIdentity } from './object-identity.ts';

const field = (number: number, bytes: Buffer) =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
const metadata = Buffer.concat([
  field(1, Buffer.from('web-1')),
  field(2, Buffer.from('web-')),
  field(6, Buffer.from('42')),
]);
const protobuf = Buffer.concat([
  Buffer.from('k8s\0'),
  field(1, Buffer.from('x')),
  field(2, field(1, metadata)),
]);

describe('the identity in a body', () => {
  const wanted = { name: 'web-1', generateName: 'web-', resourceVersion: '42' };

  test.each([
    ['application/json', Buffer.from(JSON.stringify({ metadata: wanted }))],
    ['application/json; charset=utf-8', Buffer.from(JSON.stringify({ metadata: wanted }))],
    [undefined, Buffer.from(JSON.stringify({ metadata: wanted }))],
    [
      'application/yaml',
      Buffer.from('metadata:\n  name: web-1\n  generateName: web-\n  resourceVersion: "42"\n'),
    ],
    ['application/vnd.kubernetes.protobuf', protobuf],
  ])('is read from %s', (type, body) => {
    expect(objectIdentity(body, type)).toEqual(wanted);
  });

  test.each([
    ['application/json', '{"metadata":{"name":7}}'],
    ['application/json', '{"metadata":[]}'],
    ['application/json', 'nonsense'],
    ['application/yaml', 'a: &a [x]\nb: [*a, *a]\nmetadata: *a'],
    ['application/cbor', '\u00a0'],
    ['application/vnd.kubernetes.protobuf', 'k8s\0\u0012\u007f'],
    ['application/vnd.kubernetes.protobuf', 'nonsense'],
  ])('is refused in %s: %j', (type, body) => {
    expect(() => objectIdentity(Buffer.from(body), type)).toThrow(/cannot be read/);
  });
});
