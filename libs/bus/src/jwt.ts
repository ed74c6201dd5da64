import { type Clock, failure, type JsonObject, parseJson, sha256Hex, systemClock } from '@postern/core';
import { base32, type NatsSigner } from './nkeys.ts';

/** A text that is not a JWT as NATS makes them. */
export const InvalidJwt = failure('invalid_argument', 'bus.invalid_jwt', () => 'this is not a JWT of NATS');

const header = encodeJson({ typ: 'JWT', alg: 'ed25519-nkey' });

/** A JWT as NATS signs them: Ed25519 under a header of its own. `jti` is a digest of the claims. */
export function signJwt(
  signer: NatsSigner,
  claims: Readonly<Record<string, unknown>>,
  clock: Clock = systemClock,
): string {
  const iat = Math.floor(clock().getTime() / 1000);
  // Claims that were read have the digest of what they were.
  const body = { iat, ...claims, iss: signer.publicKey, jti: undefined };
  const jti = base32(Buffer.from(sha256Hex(JSON.stringify(body)), 'hex'));
  const signed = `${header}.${encodeJson({ ...body, jti })}`;
  return `${signed}.${signer.sign(signed).toString('base64url')}`;
}

/** The claims of a JWT, unverified. */
export function readJwt(jwt: string): JsonObject {
  try {
    return parseJson(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as JsonObject;
  } catch (error) {
    throw InvalidJwt.from(error);
  }
}

function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
