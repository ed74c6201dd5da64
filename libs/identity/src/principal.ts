import type { X509Certificate } from 'node:crypto';
import { failure, isUuid } from '@postern/core';
import { parseSpiffeId, type PrincipalType, type SpiffeName } from './spiffe-id.ts';
import { authoritiesOf, type TrustBundle } from './trust.ts';

/** Who is at the other end. Everything in it was certified; nothing comes from a subject's CN or O. */
export interface Principal extends SpiffeName {
  /** UUID of the session of a person or bot. */
  readonly session?: string;
  /** Which certificate of an agent or service this is: 1 after joining, one more with each renewal. */
  readonly generation?: number;
  /** SHA-256 of the name of the token by which an agent or service joined, hex: what a lock on that token is known by. */
  readonly joinToken?: string;
  /** System roles of an agent or service: Kube, Discovery, Proxy, Auth. Empty for people and bots. */
  readonly roles: readonly string[];
  readonly notAfter: Date;
  /** SHA-256 of the certificate's DER, hex. */
  readonly fingerprint: string;
}

/** A certificate that nobody we trust issued for this use, or that says what its issuer may not say. */
export const UntrustedCertificate = failure(
  'unauthenticated',
  'identity.untrusted_certificate',
  (why: string) => `the certificate is not trusted: ${why}`,
);

/** What a certificate is presented as, and when. */
export interface CertificateUse {
  readonly at?: Date;
  readonly purpose?: 'client' | 'server';
}

const extendedKeyUsage = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const;

/**
 * The principal of a certificate. Which authority signed it decides what it may say: the user CA speaks of people and
 * bots, the host CA of agents and services. Chains are one long, so a certificate signed by another leaf leads nowhere.
 */
export function principalOf(
  certificate: X509Certificate,
  trust: TrustBundle,
  use: CertificateUse = {},
): Principal {
  const { at = new Date(), purpose = 'client' } = use;
  const issuer = issuerOf(certificate, trust, at);
  if (!issuer) throw UntrustedCertificate('none of our authorities signed it');
  checkValidity(certificate, at);
  if (certificate.ca) throw UntrustedCertificate('it is the certificate of an authority');
  if (!certificate.keyUsage?.includes(extendedKeyUsage[purpose])) {
    throw UntrustedCertificate(`it is not for use as a ${purpose}`);
  }
  const principal = claimsOf(certificate);
  if (principal.clusterName !== trust.clusterName)
    throw UntrustedCertificate('it belongs to another cluster');
  if (issuer !== authorityFor(principal.type))
    throw UntrustedCertificate(`its issuer may not certify a ${principal.type}`);
  return principal;
}

/** What a certificate says, whether or not it is true: for one's own certificate, where nobody needs convincing. */
export function claimsOf(certificate: X509Certificate): Principal {
  const uris = uriNames(certificate.subjectAltName ?? '');
  const names = uris.filter((uri) => uri.startsWith('spiffe:'));
  const name = names.length === 1 ? parseSpiffeId(names[0]!) : undefined;
  if (!name) throw UntrustedCertificate('it does not name exactly one principal');
  const session = single(uris, 'session');
  const generation = single(uris, 'generation');
  const joinToken = single(uris, 'token');
  const roles = valuesOf(uris, 'role');
  checkClaims(name.type, { session, generation, joinToken, roles, known: uris.length });
  return {
    ...name,
    ...(session === undefined ? {} : { session }),
    ...(generation === undefined ? {} : { generation: Number(generation) }),
    ...(joinToken === undefined ? {} : { joinToken }),
    roles,
    notAfter: certificate.validToDate,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** Which authority certifies principals of a type. */
export function authorityFor(type: PrincipalType): 'host' | 'user' {
  return type === 'user' || type === 'bot' ? 'user' : 'host';
}

/** System roles that make a joined process a service of the control plane rather than an agent. */
const serviceRoles = ['Proxy', 'Auth'];

/** Whether a process with these system roles is an agent or a service of the control plane. */
export function typeForRoles(roles: readonly string[]): 'agent' | 'svc' {
  return roles.some((role) => serviceRoles.includes(role)) ? 'svc' : 'agent';
}

function issuerOf(certificate: X509Certificate, trust: TrustBundle, at: Date): 'host' | 'user' | undefined {
  for (const use of ['host', 'user'] as const) {
    const bundle = use === 'host' ? trust.hostCa : trust.userCa;
    const signer = authoritiesOf(bundle).find(
      (ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
    );
    if (!signer) continue;
    checkValidity(signer, at);
    return use;
  }
  return undefined;
}

function checkValidity(certificate: X509Certificate, at: Date): void {
  if (at < certificate.validFromDate) throw UntrustedCertificate('it is not valid yet');
  if (at >= certificate.validToDate) throw UntrustedCertificate('it has expired');
}

// Node quotes a name that holds a comma, a quote or a control character. None of ours does, so that a quoted name, or a
// kind of name that we do not issue, means that somebody is trying to look like somebody else.
const entryPattern = /^(?:DNS:[A-Za-z0-9._*-]+|IP Address:[0-9A-Fa-f.:]+|URI:[A-Za-z0-9:/._~%-]+)$/;

/** Whether a text is the SHA-256 of a token's name, as certificates say it. */
export function isTokenId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function uriNames(subjectAltName: string): string[] {
  const entries = subjectAltName.split(', ');
  if (!entries.every((entry) => entryPattern.test(entry)))
    throw UntrustedCertificate('its names are malformed');
  return entries.filter((entry) => entry.startsWith('URI:')).map((entry) => entry.slice('URI:'.length));
}

function valuesOf(uris: readonly string[], claim: string): string[] {
  const prefix = `urn:postern:${claim}:`;
  return uris.filter((uri) => uri.startsWith(prefix)).map((uri) => uri.slice(prefix.length));
}

function single(uris: readonly string[], claim: string): string | undefined {
  const values = valuesOf(uris, claim);
  if (values.length > 1) throw UntrustedCertificate(`it names more than one ${claim}`);
  return values[0];
}

interface Claims {
  readonly session: string | undefined;
  readonly generation: string | undefined;
  readonly joinToken: string | undefined;
  readonly roles: readonly string[];
  /** How many URIs there are in all: one that is neither the name nor a claim is refused. */
  readonly known: number;
}

function checkClaims(type: PrincipalType, { known, roles, ...claims }: Claims): void {
  const { session, generation, joinToken } = claims;
  const single = [session, generation, joinToken].filter((claim) => claim !== undefined);
  const counted = 1 + single.length + roles.length;
  if (counted !== known) throw UntrustedCertificate('it says something unknown');
  const isHost = authorityFor(type) === 'host';
  const hasSession = session !== undefined && isUuid(session);
  const hasGeneration = generation !== undefined && /^[1-9][0-9]{0,8}$/.test(generation);
  const isTokenRight = joinToken === undefined || isTokenId(joinToken);
  const areRoles =
    new Set(roles).size === roles.length && roles.every((role) => /^[A-Z][A-Za-z_]{1,30}$/.test(role));
  const fits = isHost
    ? session === undefined &&
      hasGeneration &&
      isTokenRight &&
      areRoles &&
      roles.length > 0 &&
      typeForRoles(roles) === type
    : generation === undefined && joinToken === undefined && hasSession && roles.length === 0;
  if (!fits) throw UntrustedCertificate(`its claims do not fit a ${type}`);
}
