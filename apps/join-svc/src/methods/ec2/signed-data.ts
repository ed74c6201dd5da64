import { createHash, type KeyObject, verify } from 'node:crypto';
import { type BerValue, MalformedBer, octetsOf, readBer } from './ber.ts';

/** A CMS message: what it says, and how it is signed. */
export interface SignedData {
  readonly content: Buffer;
  /** The encoding of the signed attributes as a SET; absent where the content itself is signed. */
  readonly attributes?: Buffer;
  readonly signature: Buffer;
}

const tags = { sequence: 0x30, set: 0x31, oid: 0x06, octets: 0x04, first: 0xa0, integer: 0x02 } as const;
// The contents of object identifiers, hex.
const oids = {
  signedData: '2a864886f70d010702',
  data: '2a864886f70d010701',
  contentType: '2a864886f70d010903',
  messageDigest: '2a864886f70d010904',
  sha256: '608648016503040201',
} as const;
/** rsaEncryption and sha256WithRSAEncryption: both mean PKCS #1 v1.5 here (RFC 5754, section 3.2). */
const rsaOids: readonly string[] = ['2a864886f70d010101', '2a864886f70d01010b'];

/**
 * Reads a CMS SignedData (RFC 5652) with one signer, RSA and SHA-256. Certificates in it, and who it says signed it, are not
 * read: the key that it must be signed by is known beforehand. Throws `MalformedBer` on anything else.
 */
export function readSignedData(bytes: Buffer): SignedData {
  const [type, wrapped] = parts(only(bytes), tags.sequence);
  requireOid(type, oids.signedData);
  const [version, , encapsulated, ...rest] = parts(inside(wrapped), tags.sequence);
  if (version?.tag !== tags.integer) throw new MalformedBer('no version');
  const [contentType, content] = parts(encapsulated, tags.sequence);
  requireOid(contentType, oids.data);
  const signers = parts(rest.at(-1), tags.set);
  if (signers.length !== 1) throw new MalformedBer('not one signer');
  return { content: octetsOf(inside(content)), ...readSigner(signers[0]!) };
}

function readSigner(signer: BerValue): Pick<SignedData, 'attributes' | 'signature'> {
  const [version, , digest, ...rest] = parts(signer, tags.sequence);
  if (version?.tag !== tags.integer) throw new MalformedBer('no version of the signer');
  requireOid(parts(digest, tags.sequence)[0], oids.sha256);
  const attributes = rest[0]?.tag === tags.first ? rest.shift() : undefined;
  const [algorithm, signature] = rest;
  const algorithmOid = parts(algorithm, tags.sequence)[0];
  if (algorithmOid?.tag !== tags.oid || !rsaOids.includes(algorithmOid.content.toString('hex')))
    throw new MalformedBer('not signed by RSA');
  if (signature?.tag !== tags.octets) throw new MalformedBer('no signature');
  return {
    signature: signature.content,
    ...(attributes === undefined ? {} : { attributes: asSet(attributes) }),
  };
}

/** The attributes are signed under the tag of a SET, whatever tag they are sent with (RFC 5652, section 5.4). */
function asSet({ whole, isDefinite }: BerValue): Buffer {
  if (!isDefinite) throw new MalformedBer('signed attributes that are not DER');
  return Buffer.concat([Buffer.from([tags.set]), whole.subarray(1)]);
}

/**
 * Whether the content was signed by this RSA key. Where attributes are signed in its place they must name the digest of exactly
 * this content.
 */
export function isSignedBy({ content, attributes, signature }: SignedData, key: KeyObject): boolean {
  if (key.asymmetricKeyType !== 'rsa') return false;
  if (attributes === undefined) return verify('sha256', content, key, signature);
  const isAboutContent =
    attributeValue(attributes, oids.contentType)?.toString('hex') === oids.data &&
    attributeValue(attributes, oids.messageDigest)?.equals(createHash('sha256').update(content).digest());
  return isAboutContent === true && verify('sha256', attributes, key, signature);
}

/** The content of the single value of an attribute that is there exactly once. */
function attributeValue(attributes: Buffer, oid: string): Buffer | undefined {
  const found = parts(only(attributes), tags.set)
    .map((attribute) => parts(attribute, tags.sequence))
    .filter(([type]) => type?.tag === tags.oid && type.content.toString('hex') === oid);
  const values = found.length === 1 ? parts(found[0]![1], tags.set) : [];
  return values.length === 1 ? values[0]!.content : undefined;
}

function only(bytes: Buffer): BerValue {
  const [value, ...more] = readBer(bytes);
  if (!value || more.length > 0) throw new MalformedBer('not one value');
  return value;
}

/** The one value inside of an explicit tag [0]. */
function inside(value: BerValue | undefined): BerValue {
  if (value?.tag !== tags.first) throw new MalformedBer('no content');
  return only(value.content);
}

function parts(value: BerValue | undefined, tag: number): BerValue[] {
  if (value?.tag !== tag) throw new MalformedBer('not what CMS has in this place');
  return readBer(value.content);
}

function requireOid(value: BerValue | undefined, oid: string): void {
  if (value?.tag !== tags.oid || value.content.toString('hex') !== oid)
    throw new MalformedBer('another type of message');
}
