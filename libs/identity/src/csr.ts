import { createPrivateKey, createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { failure } from '@postern/core';
import { type DerValue, readDer } from './der.ts';
import { isP256, spkiAsRead } from './keys.ts';
import { commonName, ecdsaWithSha256, signedBy } from './sign-certificate.ts';
import { der, integer, pemOf, tags } from './write-der.ts';

/** A certificate request that is malformed, not signed by its own key, or for a key of another kind than ECDSA P-256. */
export const InvalidCsr = failure(
  'invalid_argument',
  'identity.invalid_csr',
  (why: string) => `the certificate request is invalid: ${why}`,
);

/** A PKCS#10 request (PEM) for the public key that belongs to `privateKey`. It names nobody: names are the issuer's. */
export async function makeCsr(privateKey: string): Promise<string> {
  const key = createPrivateKey(privateKey);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const noAttributes = der(0xa0);
  const info = der(tags.sequence, integer(Buffer.of(0)), commonName('postern'), publicKey, noAttributes);
  return pemOf('CERTIFICATE REQUEST', signedBy(key, info));
}

const maxBytes = 8192;

/**
 * The public key of a PKCS#10 request, after checking that its owner signed it. Subject, attributes and extensions are
 * not even parsed: nothing that a requester writes there can end up in a certificate.
 */
export async function readCsr(pem: string): Promise<{ publicKey: string }> {
  const [info, algorithm, signature] = parts(derOf(pem));
  const [, , spki] = fields(info);
  const key = keyOf(spki);
  if (!algorithm.whole.equals(ecdsaWithSha256)) throw InvalidCsr('it must be signed by ECDSA with SHA-256');
  if (signature.tag !== tags.bitString || signature.content[0] !== 0)
    throw InvalidCsr('its signature is malformed');
  const isSigned = verify('sha256', info.whole, { key, dsaEncoding: 'der' }, signature.content.subarray(1));
  if (!isSigned) throw InvalidCsr('it is not signed by the key it names');
  return { publicKey: pemOf('PUBLIC KEY', spkiAsRead(key, spki.whole)) };
}

/**
 * SHA-256 of the public key that a request is for, hex, as it stands there: nothing is verified, so that it costs no more than a hash.
 * Undefined where no key can be found. For a key that `readCsr` accepts it is that of `keyFingerprint`, unless it is written otherwise
 * than usual.
 */
export function claimedKey(pem: string): string | undefined {
  try {
    const [info] = parts(derOf(pem));
    const [, , spki] = fields(info);
    return hash('sha256', spki.whole, 'hex');
  } catch (error) {
    if (InvalidCsr.is(error)) return undefined;
    throw error;
  }
}

function derOf(pem: string): Buffer {
  const block =
    /^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\s([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/.exec(
      pem.length > maxBytes * 2 ? '' : pem,
    );
  if (!block) throw InvalidCsr('it is not one PEM block of a PKCS#10 request');
  return Buffer.from(block[1]!, 'base64');
}

function parts(der: Buffer): readonly [DerValue, DerValue, DerValue] {
  const [outer] = values(der, 1);
  const [info, algorithm, signature] = values(outer!.content, 3);
  if (outer!.tag !== tags.sequence || !info || !algorithm || !signature)
    throw InvalidCsr('its structure is not PKCS#10');
  return [info, algorithm, signature];
}

function fields(info: DerValue): readonly [DerValue, DerValue, DerValue] {
  const [version, subject, spki] = values(info.content, 4);
  if (!version || !subject || spki?.tag !== tags.sequence) throw InvalidCsr('its structure is not PKCS#10');
  return [version, subject, spki];
}

function values(bytes: Buffer, limit: number): DerValue[] {
  try {
    return readDer(bytes, limit);
  } catch (error) {
    throw InvalidCsr.from(error, 'it is not DER');
  }
}

function keyOf(spki: DerValue): KeyObject {
  try {
    const key = createPublicKey({ key: spki.whole, format: 'der', type: 'spki' });
    if (isP256(key)) return key;
  } catch (error) {
    throw InvalidCsr.from(error, 'its public key cannot be read');
  }
  throw InvalidCsr('its key must be ECDSA P-256');
}
