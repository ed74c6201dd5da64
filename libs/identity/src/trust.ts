import { hash, X509Certificate } from 'node:crypto';
import { failure } from '@postern/core';

/** Whom a process trusts: PEM bundles of certificate authorities, kept apart by what they may certify. */
export interface TrustBundle {
  readonly clusterName: string;
  /** Certifies agents, services and the edge. */
  readonly hostCa: string;
  /** Certifies people and bots. */
  readonly userCa: string;
}

/** PEM text that holds no certificate, or something else beside certificates. */
export const InvalidPem = failure(
  'invalid_argument',
  'identity.invalid_pem',
  (what: string) => `${what} is not valid PEM`,
);

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle, one PEM text each. */
export function splitPem(bundle: string): string[] {
  return [...bundle.matchAll(block)].map(([text]) => `${text}\n`);
}

/** One certificate from PEM. */
export function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw InvalidPem.from(error, 'the certificate');
  }
}

/** How many of each are remembered: a process sees few bundles and authorities. */
const maxParsed = 32;
const pins = new Map<string, string>();

/** `sha256:` and 64 hex digits: the hash of a CA's public key (SPKI), by which an operator pins it. */
export function caPin(certificate: string): string {
  const known = pins.get(certificate);
  if (known !== undefined) return known;
  const spki = readCertificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  const pin = `sha256:${hash('sha256', spki, 'hex')}`;
  if (pins.size >= maxParsed) pins.clear();
  pins.set(certificate, pin);
  return pin;
}

const parsed = new Map<string, readonly X509Certificate[]>();

/** The parsed certificates of a bundle. The few bundles that a process sees are parsed once. */
export function authoritiesOf(bundle: string): readonly X509Certificate[] {
  const known = parsed.get(bundle);
  if (known) return known;
  const certificates = splitPem(bundle).map(readCertificate);
  if (parsed.size >= maxParsed) parsed.clear();
  parsed.set(bundle, certificates);
  return certificates;
}

/** The authorities that were trusted and are not any more. */
export function droppedAuthorities(before: TrustBundle, after: TrustBundle): readonly X509Certificate[] {
  const kept = new Set(everyAuthorityOf(after).map(({ fingerprint256 }) => fingerprint256));
  return everyAuthorityOf(before).filter(({ fingerprint256 }) => !kept.has(fingerprint256));
}

/** Whether one of these authorities is named as the issuer, by name and key; its signature was verified when it mattered. */
export function isIssuedBy(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((ca) => certificate.checkIssued(ca));
}

/** The pin of the authority that a bundle holds and that issued a certificate (PEM); undefined where none did. */
export function issuerPin(certificate: string, bundle: string): string | undefined {
  const leaf = readCertificate(certificate);
  const issuer = splitPem(bundle).find((pem) => leaf.checkIssued(readCertificate(pem)));
  return issuer === undefined ? undefined : caPin(issuer);
}

function everyAuthorityOf({ hostCa, userCa }: TrustBundle): X509Certificate[] {
  return [...authoritiesOf(hostCa), ...authoritiesOf(userCa)];
}
