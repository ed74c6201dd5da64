import { createHash, createPublicKey, generateKeyPair as generate, type KeyObject } from 'node:crypto';
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
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}

/** Whether a key is ECDSA on P-256, the only kind that identities here have. */
export function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** An ECDSA P-256 public key from PEM. Throws a TypeError for a key of another kind. */
export function readP256(publicKey: string): KeyObject {
  const key = createPublicKey(publicKey);
  if (!isP256(key)) throw new TypeError('the key is not ECDSA P-256');
  return key;
}
