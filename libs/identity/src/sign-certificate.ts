import { createHash, type KeyObject, randomBytes, sign, type X509Certificate } from 'node:crypto';
import { readDer } from './der.ts';
import { addressBytes, ascii, der, integer, oid, tags, validityTime } from './write-der.ts';

/** What a certificate says, but for its serial number, which is random. */
export interface CertificateContent {
  /** Names as they are in DER, see `commonName` and `subjectOf`. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly extensions: readonly Buffer[];
}

/** Algorithm of every signature here: ECDSA with SHA-256, without parameters (RFC 5758 3.2). */
export const ecdsaWithSha256 = der(tags.sequence, oid('1.2.840.10045.4.3.2'));

/** Signs a certificate (X.509 version 3, RFC 5280 section 4.1) with an ECDSA P-256 key; the answer is DER. */
export function signCertificate(content: CertificateContent, key: KeyObject): Buffer {
  const { issuer, subject, notBefore, notAfter, publicKey, extensions } = content;
  const version3 = der(0xa0, integer(Buffer.of(2)));
  const toBeSigned = der(
    tags.sequence,
    version3,
    integer(randomBytes(16)),
    ecdsaWithSha256,
    issuer,
    der(tags.sequence, validityTime(notBefore), validityTime(notAfter)),
    subject,
    publicKey,
    der(0xa3, der(tags.sequence, ...extensions)),
  );
  return signedBy(key, toBeSigned);
}

/** Something that is followed by the algorithm and its signature: a certificate or a request for one. */
export function signedBy(key: KeyObject, toBeSigned: Buffer): Buffer {
  const signature = sign('sha256', toBeSigned, { key, dsaEncoding: 'der' });
  return der(tags.sequence, toBeSigned, ecdsaWithSha256, der(tags.bitString, Buffer.of(0), signature));
}

/** A distinguished name that is one common name. */
export function commonName(text: string): Buffer {
  const attribute = der(tags.sequence, oid('2.5.4.3'), der(tags.utf8String, Buffer.from(text, 'utf8')));
  return der(tags.sequence, der(tags.set, attribute));
}

/** The subject of a certificate, byte for byte: an issuer is recognised by its bytes (RFC 5280 7.1). */
export function subjectOf(certificate: X509Certificate): Buffer {
  const [outer] = readDer(certificate.raw, 1);
  const [toBeSigned] = readDer(outer!.content, 3);
  const [version, serial, algorithm, issuer, validity, subject] = readDer(toBeSigned!.content, 10);
  if (version?.tag !== 0xa0 || !serial || !algorithm || !issuer || !validity || !subject)
    throw new RangeError('a certificate that is not X.509 version 3');
  return subject.whole;
}

/** The public key of a certificate, DER. */
export function publicKeyIn({ publicKey }: X509Certificate): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

interface ExtensionOptions {
  readonly isCritical?: boolean;
}

function extension(id: string, value: Buffer, { isCritical = false }: ExtensionOptions = {}): Buffer {
  const critical = isCritical ? [der(tags.boolean, Buffer.of(0xff))] : [];
  return der(tags.sequence, oid(id), ...critical, der(tags.octetString, value));
}

/** Basic constraints of an authority with at most this many authorities below it, or of a leaf. Critical. */
export function basicConstraints(pathLength?: number): Buffer {
  const isAuthority = der(tags.boolean, Buffer.of(0xff));
  const content = pathLength === undefined ? [] : [isAuthority, integer(Buffer.of(pathLength))];
  return extension('2.5.29.19', der(tags.sequence, ...content), { isCritical: true });
}

/** What a key may sign: for a leaf what TLS has it sign, for an authority certificates and revocation lists. Critical. */
export function keyUsage(use: 'leaf' | 'authority'): Buffer {
  // A bit string with as many bits as are set to the end: digitalSignature is bit 0, keyCertSign 5, cRLSign 6 (RFC 5280 4.2.1.3).
  const bits = use === 'leaf' ? Buffer.of(7, 0x80) : Buffer.of(1, 0x06);
  return extension('2.5.29.15', der(tags.bitString, bits), { isCritical: true });
}

/** What a leaf's key is for in TLS, as object identifiers. */
export function extendedKeyUsage(purposes: readonly string[]): Buffer {
  return extension('2.5.29.37', der(tags.sequence, ...purposes.map(oid)));
}

/** Names by which a leaf is known. */
export interface AlternativeNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** Alternative names. Throws a RangeError where one is not printable ASCII or no address. */
export function alternativeNames({ uris, dnsNames, ipAddresses }: AlternativeNames): Buffer {
  const names = [
    ...uris.map((uri) => der(0x86, ascii(uri))),
    ...dnsNames.map((name) => der(0x82, ascii(name))),
    ...ipAddresses.map((address) => der(0x87, addressBytes(address))),
  ];
  return extension('2.5.29.17', der(tags.sequence, ...names));
}

/** The name of a subject's key. */
export function subjectKeyIdentifier(publicKey: Buffer): Buffer {
  return extension('2.5.29.14', der(tags.octetString, keyIdentifier(publicKey)));
}

/** The name of the key that signs. */
export function authorityKeyIdentifier(publicKey: Buffer): Buffer {
  return extension('2.5.29.35', der(tags.sequence, der(0x80, keyIdentifier(publicKey))));
}

/** SHA-1 of the key's bits: a name, nothing relies on its strength (RFC 5280 4.2.1.2, method 1). */
function keyIdentifier(publicKey: Buffer): Buffer {
  const [outer] = readDer(publicKey, 1);
  const [, bits] = readDer(outer!.content, 2);
  return createHash('sha1').update(bits!.content.subarray(1)).digest();
}
