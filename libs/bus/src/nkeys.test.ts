import { verify, createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { base32, createKey, createUserKey, keyPrefixes, readSeed } from './nkeys.ts';

describe('NATS keys', () => {
  test('begin with the letters of their kind', () => {
    expect(createKey('operator')).toMatchObject({ seed: /^SO[A-Z2-7]{56}$/, publicKey: /^O[A-Z2-7]{55}$/ });
    expect(createKey('account')).toMatchObject({ seed: /^SA[A-Z2-7]{56}$/, publicKey: /^A[A-Z2-7]{55}$/ });
    expect(createUserKey()).toMatchObject({ seed: /^SU[A-Z2-7]{56}$/, publicKey: /^U[A-Z2-7]{55}$/ });
  });

  test('are read back from their seed', () => {
    for (const kind of Object.keys(keyPrefixes) as (keyof typeof keyPrefixes)[]) {
      const key = createKey(kind);
      expect(readSeed(`${key.seed}\n`).publicKey).toBe(key.publicKey);
    }
  });

  test('sign what their public part verifies', () => {
    const key = createUserKey();
    const raw = Buffer.from(decodeBase32(key.publicKey)).subarray(1, 33);
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(verify(null, Buffer.from('nonce'), publicKey, readSeed(key.seed).sign('nonce'))).toBe(true);
  });

  test('with a mistyped or foreign seed are refused without showing it', () => {
    const { seed, publicKey } = createUserKey();
    const mistyped = seed.slice(0, -1) + (seed.endsWith('A') ? 'B' : 'A');
    for (const text of ['', 'SU', mistyped, publicKey, seed.toLowerCase(), `${seed}A`]) {
      expect(() => readSeed(text)).toThrow('this is not the seed of a NATS key');
    }
  });
});

describe('base32', () => {
  test.each([
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ])('of %j is %j (RFC 4648 section 10)', (text, expected) => {
    expect(base32(Buffer.from(text))).toBe(expected);
  });
});

function decodeBase32(text: string): number[] {
  const bits = text
    .split('')
    .map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'));
  return bits
    .join('')
    .match(/.{8}/g)!
    .map((byte) => Number.parseInt(byte, 2));
}
