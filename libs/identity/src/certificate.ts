import type { webcrypto } from 'node:crypto';
import { failure } from '@postern/core';
import { type Authority, backdateMs, randomSerial } from './authority.ts';
import { signingAlgorithm, signingKeyFrom, verifyingKeyFrom } from './keys.ts';
import { authorityFor } from './principal.ts';
import { type PrincipalType, spiffeId } from './spiffe-id.ts';
import { readCertificate } from './trust.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.ts';

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
  const { publicKey: caKey, signingKey, issuer, validTo } = await signerOf(authority);
  const now = authority.clock().getTime();
  const notAfter = new Date(Math.min(spec.notAfter.getTime(), validTo.getTime()));
  if (notAfter.getTime() <= now) throw NotIssuable('it would have expired already');
  const publicKey = await verifyingKeyFrom(spec.publicKey);
  const certificate = await X509CertificateGenerator.create({
    // For the eyes of people only; identity is in the URI names.
    subject: [{ CN: [spec.id.slice(0, 64).toWellFormed()] }],
    issuer,
    serialNumber: randomSerial(),
    notBefore: new Date(now - backdateMs),
    notAfter,
    publicKey,
    signingKey,
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(authority.use === 'host' ? [clientAuth, serverAuth] : [clientAuth]),
      new SubjectAlternativeNameExtension(namesOf(authority.clusterName, spec)),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(caKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

function namesOf(clusterName: string, spec: CertificateSpec): JsonGeneralName[] {
  const { session, generation, joinToken, roles = [], dnsNames = [], ipAddresses = [] } = spec;
  const uris = [
    spiffeId({ type: spec.type, id: spec.id, clusterName }),
    ...(session === undefined ? [] : [`urn:postern:session:${session}`]),
    ...(generation === undefined ? [] : [`urn:postern:generation:${generation}`]),
    ...(joinToken === undefined ? [] : [`urn:postern:token:${joinToken}`]),
    ...roles.map((role) => `urn:postern:role:${role}`),
  ];
  return [
    ...uris.map((value) => ({ type: 'url', value }) as const),
    ...dnsNames.map((value) => ({ type: 'dns', value }) as const),
    ...ipAddresses.map((value) => ({ type: 'ip', value }) as const),
  ];
}

interface Signer {
  readonly signingKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
  readonly issuer: string;
  readonly validTo: Date;
}

const signers = new WeakMap<Authority, Promise<Signer>>();

function signerOf(authority: Authority): Promise<Signer> {
  const known = signers.get(authority);
  if (known) return known;
  const signer = openSigner(authority);
  signers.set(authority, signer);
  return signer;
}

async function openSigner(authority: Authority): Promise<Signer> {
  const certificate = readCertificate(authority.certificate);
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'pem' });
  return {
    signingKey: await signingKeyFrom(authority.privateKey.reveal()),
    publicKey: await verifyingKeyFrom(publicKey),
    issuer: certificate.subject,
    validTo: certificate.validToDate,
  };
}
