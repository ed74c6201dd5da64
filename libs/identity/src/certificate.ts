import { createPrivateKey, type KeyObject } from 'node:crypto';
import { failure } from '@postern/core';
import { type Authority, backdateMs } from './authority.ts';
import { p256Spki } from './keys.ts';
import { authorityFor } from './principal.ts';
import {
  type AlternativeNames,
  alternativeNames,
  authorityKeyIdentifier,
  basicConstraints,
  commonName,
  extendedKeyUsage,
  keyUsage,
  publicKeyIn,
  signCertificate,
  subjectKeyIdentifier,
  subjectOf,
} from './sign-certificate.ts';
import { type PrincipalType, spiffeId } from './spiffe-id.ts';
import { readCertificate } from './trust.ts';
import { pemOf } from './write-der.ts';

/** Whom a certificate is for, what it may say, and how long. */
export interface CertificateSpec {
  readonly type: PrincipalType;
  readonly id: string;
  /** PEM, SPKI; comes from a checked request. */
  readonly publicKey: string;
  readonly notAfter: Date;
  readonly session?: string;
  readonly generation?: number;
  /** SHA-256 of the name of the token that let an agent or service in, hex. */
  readonly joinToken?: string | undefined;
  readonly roles?: readonly string[];
  /** Names under which a server is reached; only for agents and services. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** An authority was asked for a certificate that it may not issue: a bug of the caller. */
export const NotIssuable = failure(
  'internal',
  'identity.not_issuable',
  (why: string) => `a certificate was not issued: ${why}`,
);

const clientAuth = '1.3.6.1.5.5.7.3.2';
const serverAuth = '1.3.6.1.5.5.7.3.1';

/** Issues a leaf certificate (PEM). It never outlives the authority. */
export async function issueCertificate(authority: Authority, spec: CertificateSpec): Promise<string> {
  if (authorityFor(spec.type) !== authority.use)
    throw NotIssuable(`the ${authority.use} CA does not certify a ${spec.type}`);
  const { key, keyIdentifier, subject: issuer, validTo } = signerOf(authority);
  const now = authority.clock().getTime();
  const notAfter = new Date(Math.min(spec.notAfter.getTime(), validTo.getTime()));
  if (notAfter.getTime() <= now) throw NotIssuable('it would have expired already');
  const publicKey = p256Spki(spec.publicKey);
  const content = {
    // For the eyes of people only; identity is in the URI names.
    subject: commonName(spec.id.slice(0, 64).toWellFormed()),
    issuer,
    notBefore: new Date(now - backdateMs),
    notAfter,
    publicKey,
    extensions: [
      leafConstraints,
      leafUsage,
      purposes[authority.use],
      namesOf(authority.clusterName, spec),
      subjectKeyIdentifier(publicKey),
      keyIdentifier,
    ],
  };
  return pemOf('CERTIFICATE', signCertificate(content, key));
}

const leafConstraints = basicConstraints();
const leafUsage = keyUsage('leaf');
const purposes = {
  host: extendedKeyUsage([clientAuth, serverAuth]),
  user: extendedKeyUsage([clientAuth]),
} as const;

function namesOf(clusterName: string, spec: CertificateSpec): Buffer {
  const { session, generation, joinToken, roles = [], dnsNames = [], ipAddresses = [] } = spec;
  const uris = [
    spiffeId({ type: spec.type, id: spec.id, clusterName }),
    ...(session === undefined ? [] : [`urn:postern:session:${session}`]),
    ...(generation === undefined ? [] : [`urn:postern:generation:${generation}`]),
    ...(joinToken === undefined ? [] : [`urn:postern:token:${joinToken}`]),
    ...roles.map((role) => `urn:postern:role:${role}`),
  ];
  return encoded({ uris, dnsNames, ipAddresses });
}

function encoded(names: AlternativeNames): Buffer {
  try {
    return alternativeNames(names);
  } catch (error) {
    throw NotIssuable.from(error, 'it would hold a name that certificates cannot');
  }
}

/** What of an authority is in all it issues. */
interface Signer {
  readonly key: KeyObject;
  readonly keyIdentifier: Buffer;
  readonly subject: Buffer;
  readonly validTo: Date;
}

const signers = new WeakMap<Authority, Signer>();

function signerOf(authority: Authority): Signer {
  const known = signers.get(authority);
  if (known) return known;
  const certificate = readCertificate(authority.certificate);
  const signer = {
    key: createPrivateKey(authority.privateKey.reveal()),
    keyIdentifier: authorityKeyIdentifier(publicKeyIn(certificate)),
    subject: subjectOf(certificate),
    validTo: certificate.validToDate,
  };
  signers.set(authority, signer);
  return signer;
}
