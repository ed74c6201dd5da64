import { createPublicKey, randomBytes } from 'node:crypto';
import { failure, isPlainObject, parseJson } from '@postern/core';
import {
  CompactEncrypt,
  type CompactJWEHeaderParameters,
  compactDecrypt,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
} from 'jose';

/** What was sealed for another place, with a key that is not there, or changed since. */
export const NotSealedForThis = failure(
  'permission_denied',
  'identity.not_sealed_for_this',
  (what: string) => `the sealed ${what} cannot be opened: it is of another place, or its key is not known`,
);

/** Keys of a view by their epoch: each epoch has a key of its own. 32 bytes, base64url. */
export type ViewKeys = ReadonlyMap<number, string>;

/** Where a sealed value belongs. It does not open anywhere else, so that nobody can move one. */
export interface SealedPlace {
  readonly hash: string;
  readonly kind: string;
  readonly id: string;
  readonly rev: number;
}

const keyPattern = /^[A-Za-z0-9_-]{43}$/;

/** A new random key of a view. */
export function newViewKey(): string {
  return randomBytes(32).toString('base64url');
}

/** Seals a text for its place with the key of an epoch: a JWE, whose header tells both. */
export function sealForView(
  { epoch, key }: { readonly epoch: number; readonly key: string },
  { hash, kind, id, rev }: SealedPlace,
  text: string,
): Promise<string> {
  const place = { view: hash, kind, id, rev };
  return new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: String(epoch), ...place })
    .encrypt(Buffer.from(key, 'base64url'));
}

/** Opens what was sealed for exactly this place. */
export async function openFromView(
  keys: ViewKeys,
  { hash, kind, id, rev }: SealedPlace,
  sealed: string,
): Promise<string> {
  try {
    const keyOf = ({ kid }: CompactJWEHeaderParameters) => keyBytes(keys.get(Number(kid)));
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, keyOf, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    const { view, kind: itsKind, id: itsId, rev: itsRev } = protectedHeader as Record<string, unknown>;
    if (view !== hash || itsKind !== kind || itsId !== id || itsRev !== rev) throw new TypeError('moved');
    return Buffer.from(plaintext).toString();
  } catch (error) {
    throw NotSealedForThis.from(error, 'entry');
  }
}

/** Who a bundle of keys is wrapped for. */
export interface WrappedFor {
  readonly hash: string;
  readonly agentId: string;
}

/** The public key of whoever asks for the keys of a view: X25519. */
export interface KeyRecipient {
  readonly kty: 'OKP';
  readonly crv: 'X25519';
  readonly x: string;
}

const wrapping = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM' } as const;

/** Reads a recipient from what somebody sent. */
export function readRecipient(untrusted: unknown): KeyRecipient {
  const { kty, crv, x } = isPlainObject(untrusted) ? untrusted : {};
  if (kty !== 'OKP' || crv !== 'X25519' || typeof x !== 'string' || !keyPattern.test(x))
    throw NotSealedForThis('keys');
  return { kty, crv, x };
}

/** Wraps the keys of a view so that only the holder of the recipient's private key can read them. */
export async function wrapViewKeys(
  keys: ViewKeys,
  recipient: KeyRecipient,
  { hash, agentId }: WrappedFor,
): Promise<string> {
  const key = createPublicKey({ key: { ...recipient }, format: 'jwk' });
  return new CompactEncrypt(Buffer.from(JSON.stringify([...keys])))
    .setProtectedHeader({ ...wrapping, view: hash, agent: agentId })
    .encrypt(key);
}

/** A key pair that lives for one question. */
export interface Unwrapping {
  readonly recipient: KeyRecipient;
  unwrap(wrapped: string, whom: WrappedFor): Promise<ViewKeys>;
}

/** Makes the key pair for a question about keys. */
export async function newUnwrapping(): Promise<Unwrapping> {
  const pair = await generateKeyPair(wrapping.alg, { crv: 'X25519' });
  return {
    recipient: readRecipient(await exportJWK(pair.publicKey)),
    unwrap: async (wrapped, whom) => unwrapped(pair.privateKey, wrapped, whom),
  };
}

async function unwrapped(key: CryptoKey, wrapped: string, { hash, agentId }: WrappedFor): Promise<ViewKeys> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(wrapped, key, {
      keyManagementAlgorithms: [wrapping.alg],
      contentEncryptionAlgorithms: [wrapping.enc],
    });
    const { view, agent } = protectedHeader as Record<string, unknown>;
    if (view !== hash || agent !== agentId) throw new TypeError('moved');
    return readKeys(parseJson(Buffer.from(plaintext).toString()));
  } catch (error) {
    throw NotSealedForThis.from(error, 'keys');
  }
}

function readKeys(value: unknown): ViewKeys {
  if (!Array.isArray(value)) throw new TypeError('these are no keys');
  return new Map(
    (value as unknown[]).map((pair) => {
      const [epoch, key] = pair as [unknown, unknown];
      if (typeof epoch !== 'number' || typeof key !== 'string' || !keyPattern.test(key))
        throw new TypeError('this is no key');
      return [epoch, key];
    }),
  );
}

function keyBytes(key: string | undefined): Uint8Array {
  if (key === undefined) throw new TypeError('there is no key of this epoch');
  return Buffer.from(key, 'base64url');
}
