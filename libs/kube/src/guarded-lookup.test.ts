import type { LookupAddress } from 'node:dns';
import { describe, expect, test } from 'vitest';
import { guardedLookup } from './api-server.ts';

const mayConnect = (address: string) => address.startsWith('198.51.100.');

/** What connections are given for a name that resolves to these, one list after the other. */
function lookups(...answers: readonly string[][]) {
  let asked = 0;
  const lookup = guardedLookup({ mayConnect }, (_, __, answer) => {
    const addresses = answers[asked++]!.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    answer(null, addresses);
  });
  const one = (all: boolean) =>
    new Promise<string | LookupAddress[]>((resolve, reject) => {
      lookup('keys.example', { all }, (error, found) => (error ? reject(error) : resolve(found)));
    });
  return { one, asked: () => asked };
}

describe('a name that is resolved for a connection', () => {
  test('is judged by the very answer that is connected to, each time (J-09)', async () => {
    const { one, asked } = lookups(['198.51.100.7'], ['127.0.0.1'], ['169.254.169.254']);
    expect(await one(false)).toBe('198.51.100.7');
    expect(asked()).toBe(1);
    await expect(one(false)).rejects.toThrow('keys.example');
    await expect(one(true)).rejects.toThrow('keys.example');
  });

  test('gives none of its addresses that must not be connected to (J-09)', async () => {
    const mixed = ['127.0.0.1', '::ffff:127.0.0.1', '169.254.169.254', '198.51.100.7', 'fe80::1'];
    const { one } = lookups(mixed, mixed);
    expect(await one(true)).toEqual([{ address: '198.51.100.7', family: 4 }]);
    expect(await one(false)).toBe('198.51.100.7');
  });
});
