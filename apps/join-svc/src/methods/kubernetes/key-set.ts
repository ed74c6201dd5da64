import { createPublicKey, type KeyObject } from 'node:crypto';
import { isPlainObject, parseJson } from '@postern/core';

/** A public key of an issuer, with the one algorithm that it verifies: the header of a token does not choose. */
export interface IssuerKey {
  readonly kid: string | undefined;
  readonly algorithm: string;
  readonly key: KeyObject;
}

const maxKeys = 32;
const minRsaBits = 2048;
const curveAlgorithms: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
};

/**
 * The keys of a JSON key set (RFC 7517) by which API servers sign: RSA of at least 2048 bits with RS256, and the NIST curves.
 * Others are left out. Throws a TypeError on text that is no key set, and on more than 32 keys.
 */
export function readKeySet(text: string): IssuerKey[] {
  const set = parseJson(text);
  const keys: unknown = isPlainObject(set) ? set['keys'] : undefined;
  if (!Array.isArray(keys)) throw new TypeError('it is not a JSON key set');
  if (keys.length > maxKeys) throw new TypeError(`it has more than ${maxKeys} keys`);
  return keys.flatMap((key: unknown) => (isPlainObject(key) ? readKey(key) : []));
}

function readKey(jwk: Record<string, unknown>): IssuerKey[] {
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return [];
  const algorithm = algorithmOf(jwk);
  const key = algorithm && importKey(jwk);
  if (!key || (jwk['alg'] !== undefined && jwk['alg'] !== algorithm)) return [];
  return [{ kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined, algorithm, key }];
}

function algorithmOf({ kty, crv }: Record<string, unknown>): string | undefined {
  if (kty === 'RSA') return 'RS256';
  return kty === 'EC' && typeof crv === 'string' ? curveAlgorithms[crv] : undefined;
}

function importKey(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength;
    return bits !== undefined && bits < minRsaBits ? undefined : key;
  } catch {
    return undefined;
  }
}
