import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { failure } from '@postern/core';

/**
 * NATS keys: Ed25519 in base32 with a type prefix and a CRC-16. Written on node:crypto because the JavaScript libraries for
 * them sign in pure JavaScript, which blocks the event loop for 14 ms each time.
 */

/** A text that is not a NATS seed. Its content is never told. */
export const InvalidSeed = failure(
  'invalid_argument',
  'bus.invalid_seed',
  () => 'this is not the seed of a NATS key',
);

/** What a NATS key is for, by the letter its public key begins with. */
export const keyPrefixes = { operator: 14 << 3, account: 0, user: 20 << 3 } as const;
export type NatsKeyKind = keyof typeof keyPrefixes;

/** A NATS key pair; both are text. The seed is a secret. */
export interface NatsKey {
  readonly seed: string;
  readonly publicKey: string;
}

/** A NATS key ready to sign. */
export interface NatsSigner {
  readonly publicKey: string;
  sign(data: string | Uint8Array): Buffer;
}

const seedPrefix = 18 << 3;
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A new key. */
export function createKey(kind: NatsKeyKind): NatsKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const raw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const prefix = keyPrefixes[kind];
  // A seed has two prefixes in its first two bytes: that it is a seed, and of what.
  const head = [seedPrefix | (prefix >> 5), (prefix & 31) << 3];
  return { seed: encode(Buffer.from([...head, ...raw])), publicKey: publicKeyOf(privateKey, prefix) };
}

/** A new key for a bus user; the public part goes into a join request. */
export function createUserKey(): NatsKey {
  return createKey('user');
}

/** Reads a seed. */
export function readSeed(seed: string): NatsSigner {
  const bytes = decode(seed.trim());
  if (bytes?.length !== 34 || (bytes[0]! & 0xf8) !== seedPrefix) throw InvalidSeed();
  const prefix = ((bytes[0]! & 7) << 5) | ((bytes[1]! & 0xf8) >> 3);
  const der = Buffer.concat([pkcs8Head, bytes.subarray(2)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = publicKeyOf(key, prefix);
  return { publicKey, sign: (data) => sign(null, Buffer.from(data as string), key) };
}

/** Base32 (RFC 4648) without padding. */
export function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(value >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text;
}

function publicKeyOf(key: KeyObject, prefix: number): string {
  const raw = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  return encode(Buffer.from([prefix, ...raw]));
}

function encode(body: Buffer): string {
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(crc16(body));
  return base32(Buffer.concat([body, sum]));
}

function decode(text: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const char of text) {
    const digit = alphabet.indexOf(char);
    if (digit === -1) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 255);
  }
  const all = Buffer.from(bytes);
  if (all.length < 3 || base32(all) !== text) return undefined;
  const body = all.subarray(0, -2);
  return crc16(body) === all.readUInt16LE(all.length - 2) ? body : undefined;
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
