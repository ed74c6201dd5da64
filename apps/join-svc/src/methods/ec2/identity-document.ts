import { isPlainObject, parseJson } from '@postern/core';
import { ProofRefused } from '../method.ts';
import type { RegionKeys } from './aws-certificates.ts';
import { MalformedBer } from './ber.ts';
import { isSignedBy, readSignedData, type SignedData } from './signed-data.ts';

/** What AWS says of an instance. */
export interface InstanceIdentity {
  readonly accountId: string;
  readonly instanceId: string;
  readonly region: string;
  /** When the instance was last started. */
  readonly pendingTime: Date;
}

/** Documents are about 2 kB as they are sent. */
const maxDocumentBytes = 12 * 1024;

/**
 * The facts of a signed instance identity document: base64 of a CMS message, without PEM armour, as the metadata service gives
 * it at `dynamic/instance-identity/rsa2048`. Throws `ProofRefused` unless the certificate of its own region verifies it.
 */
export function readIdentityDocument(text: string, keyOf: RegionKeys): InstanceIdentity {
  const message = decode(text);
  const identity = factsOf(message.content);
  const key = keyOf(identity.region);
  if (!key) throw ProofRefused(`unsupported EC2 region: ${JSON.stringify(identity.region)}`);
  if (!isSigned(message, key))
    throw ProofRefused('the signature of the instance identity document is invalid');
  return identity;
}

const undecodable = 'unable to decode the instance identity document';

function decode(text: string): SignedData {
  const compact = text.replaceAll(/[\r\n]/g, '');
  const isBase64 = compact.length <= maxDocumentBytes && /^[A-Za-z0-9+/]+={0,2}$/.test(compact);
  if (!isBase64) throw ProofRefused(undecodable);
  return orMalformed(() => readSignedData(Buffer.from(compact, 'base64')));
}

function isSigned(message: SignedData, key: NonNullable<ReturnType<RegionKeys>>): boolean {
  return orMalformed(() => isSignedBy(message, key));
}

function orMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedBer) throw ProofRefused.from(error, `${undecodable}: ${error.message}`);
    throw error;
  }
}

function factsOf(content: Buffer): InstanceIdentity {
  const document = jsonOf(content);
  return {
    accountId: field(document, 'accountId', /^\d{12}$/),
    instanceId: field(document, 'instanceId', /^i-[0-9a-f]{8,17}$/),
    region: field(document, 'region', /^[a-z]{2,5}(?:-[a-z]+)+-\d{1,2}$/),
    pendingTime: new Date(field(document, 'pendingTime', /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/)),
  };
}

function jsonOf(content: Buffer): Record<string, unknown> {
  try {
    const document = parseJson(content.toString('utf8'));
    if (isPlainObject(document)) return document;
  } catch (error) {
    throw ProofRefused.from(error, `${undecodable}: it holds no JSON`);
  }
  throw ProofRefused(`${undecodable}: it holds no object`);
}

function field(document: Record<string, unknown>, name: string, pattern: RegExp): string {
  const value = Object.hasOwn(document, name) ? document[name] : undefined;
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw ProofRefused(`${undecodable}: its ${name} is not as it must be`);
}
