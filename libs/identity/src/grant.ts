import { X509Certificate } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { InvalidStatement, type Peer, signStatement, type StatementSigner, verifyStatement } from './jws.ts';
import { principalOf } from './principal.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import { splitPem, type TrustBundle } from './trust.ts';

/** The result of an access decision, as the edge hands it to the agent that serves the cluster. */
export interface Grant {
  /** SPIFFE id of the user or bot. */
  readonly sub: string;
  readonly session: string;
  /** Name of the Kubernetes cluster. */
  readonly cluster: string;
  readonly kubeUser: string;
  readonly kubeGroups: readonly string[];
  /** Digest of the filter that goes beside the grant, for a list or watch of which not everything may be seen. */
  readonly filterDigest?: string;
  readonly policyRevision: string;
  readonly requestId: string;
}

/** A grant that was verified, and when it ends. */
export interface VerifiedGrant extends Grant {
  readonly expiresAt: Date;
}

/** An edge with the certificate that goes with its grants. */
export interface GrantSigner extends StatementSigner {
  /** PEM. */
  readonly certificate: string;
}

/** Name of the header that carries a grant. */
export const grantHeader = 'postern-grant';

const typ = 'postern-grant+jwt';

/**
 * Signs a grant for one agent (its id is the audience), for at most a minute. The certificate of the edge goes along (`x5c`,
 * RFC 7515 4.1.6), since the connection over which the agent gets the grant may be another edge's.
 */
export function signGrant(
  edge: GrantSigner,
  { requestId, kubeGroups, ...grant }: Grant,
  { agentId, at, ttlSeconds }: { readonly agentId: string; readonly at: Date; readonly ttlSeconds?: number },
): Promise<string> {
  const claims = {
    ...grant,
    kubeGroups: [...kubeGroups],
    rid: requestId,
  };
  return signStatement(edge, claims, {
    typ,
    audience: agentId,
    at,
    x5c: [base64Of(edge.certificate)],
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
  });
}

/** Whom a grant is for, when, and whose edges may sign it. */
export interface GrantUse {
  readonly agentId: string;
  readonly at: Date;
  readonly trust: TrustBundle;
}

/**
 * Reads a grant. Throws unless an edge of ours signed it for this agent: the certificate that it carries must be of the host
 * CA and have the role Proxy, whoever brought the grant. It ends with that certificate at the latest.
 */
export async function verifyGrant(token: string, { agentId, at, trust }: GrantUse): Promise<VerifiedGrant> {
  const peer = signerOf(token, trust, at);
  const claims = await verifyStatement(token, { typ, audience: agentId, at, peer });
  const { sub, session, cluster, kubeUser, kubeGroups, filterDigest, policyRevision, rid } = claims;
  const texts = { sub, session, cluster, kubeUser, policyRevision, rid };
  const user = parseSpiffeId(sub ?? '');
  const isComplete =
    Object.values(texts).every((text) => typeof text === 'string') &&
    (user?.type === 'user' || user?.type === 'bot') &&
    user.clusterName === trust.clusterName &&
    Array.isArray(kubeGroups) &&
    kubeGroups.every((group) => typeof group === 'string') &&
    (filterDigest === undefined || typeof filterDigest === 'string');
  if (!isComplete) throw InvalidStatement('grant');
  return {
    sub: sub as string,
    session: session as string,
    cluster: cluster as string,
    kubeUser: kubeUser as string,
    kubeGroups,
    ...(filterDigest === undefined ? {} : { filterDigest }),
    policyRevision: policyRevision as string,
    requestId: rid as string,
    expiresAt: new Date(Math.min(claims.exp! * 1000, peer.principal.notAfter.getTime())),
  };
}

interface Signer {
  readonly hostCa: string;
  readonly peer: Peer;
}

// A certificate is checked once and not with each grant. There is one for each edge and renewal; the bound is for safety.
const maxSigners = 1024;
const signers = new Map<string, Signer>();

function signerOf(token: string, trust: TrustBundle, at: Date): Peer {
  const certificate = certificateIn(token);
  const known = signers.get(certificate);
  if (known && known.hostCa === trust.hostCa && known.peer.principal.notAfter > at) return known.peer;
  const peer = readSigner(certificate, trust, at);
  if (signers.size >= maxSigners) signers.clear();
  signers.set(certificate, { hostCa: trust.hostCa, peer });
  return peer;
}

function readSigner(der: string, trust: TrustBundle, at: Date): Peer {
  try {
    const certificate = new X509Certificate(Buffer.from(der, 'base64'));
    return { certificate, principal: principalOf(certificate, trust, { at }) };
  } catch (error) {
    throw InvalidStatement.from(error, 'grant');
  }
}

/** The one certificate in the header of a grant: DER in base64. Chains are one long. */
function certificateIn(token: string): string {
  try {
    const { x5c } = decodeProtectedHeader(token);
    if (Array.isArray(x5c) && x5c.length === 1 && typeof x5c[0] === 'string') return x5c[0];
  } catch (error) {
    throw InvalidStatement.from(error, 'grant');
  }
  throw InvalidStatement('grant');
}

function base64Of(pem: string): string {
  const [certificate = ''] = splitPem(pem);
  return certificate.replaceAll(/-----[A-Z ]+-----|\s/g, '');
}
