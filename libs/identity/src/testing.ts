// Another implementation of certificates, for tests to compare with and to forge by. It registers its classes by reflection
// metadata, so the polyfill must be loaded before it.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';

export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };

/** How the library is told to sign. */
export const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };

/** A PEM private key as WebCrypto wants it for signing. */
export function signingKeyFrom(privateKey: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(privateKey).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}

/** A PEM public key as WebCrypto wants it. */
export function verifyingKeyFrom(publicKey: string): Promise<webcrypto.CryptoKey> {
  const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  return webcrypto.subtle.importKey('spki', der, algorithm, true, ['verify']);
}
