import { createPublicKey, generateKeyPair as generate, hash, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** An ECDSA P-256 key pair: PKCS#8 and SPKI, both PEM. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Makes an ECDSA P-256 key pair off the main thread. */
export async function generateKeyPair(): Promise<KeyPair> {
  return promisify(generate)('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

/** The public key (PEM, SPKI) of a private key (PEM). */
export function publicKeyOf(privateKey: string): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
}

/** SHA-256 of a public key (PEM) or of that of a private key, hex: the name of a key in events and challenges. */
export function keyFingerprint(key: string): string {
  return hash('sha256', usualDer(key) ?? spkiOf(createPublicKey(key)), 'hex');
}

/** SubjectPublicKeyInfo (DER) of an ECDSA P-256 public key (PEM). Throws a TypeError for a key of another kind. */
export function p256Spki(publicKey: string): Buffer {
  const key = readP256(publicKey);
  return usualDer(publicKey) ?? spkiOf(key);
}

/** SubjectPublicKeyInfo (DER) of a key that was read from these bytes. */
export function spkiAsRead(key: KeyObject, written: Buffer): Buffer {
  return isUsual(written) ? written : spkiOf(key);
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

// An uncompressed point on P-256 (RFC 5480 section 2), up to its coordinates. What begins so and is as long has one way to be written,
// which spares having it written by OpenSSL: that takes longer than to sign a certificate.
const usualHead = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const usualLength = usualHead.length + 64;

function isUsual(spki: Buffer): boolean {
  return spki.length === usualLength && spki.subarray(0, usualHead.length).equals(usualHead);
}

function usualDer(pem: string): Buffer | undefined {
  const block = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)-----END PUBLIC KEY-----\n$/.exec(pem);
  const der = block && Buffer.from(block[1]!, 'base64');
  return der && isUsual(der) ? der : undefined;
}

/** Whether a key is ECDSA on P-256, the only kind that identities here have. */
export function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** An ECDSA P-256 public key from PEM. Throws a TypeError for a key of another kind. */
function readP256(publicKey: string): KeyObject {
  const key = createPublicKey(publicKey);
  if (!isP256(key)) throw new TypeError('the key is not ECDSA P-256');
  return key;
}
