import type { JsonObject } from '@postern/core';
import { InvalidStatement, type Peer, signStatement, type StatementSigner, verifyStatement } from './jws.ts';
import { parseSpiffeId } from './spiffe-id.ts';

/** The result of an access decision, as the edge hands it to the agent that serves the cluster. */
export interface Grant {
  /** SPIFFE id of the user or bot. */
  readonly sub: string;
  readonly session: string;
  /** Name of the Kubernetes cluster. */
  readonly cluster: string;
  readonly kubeUser: string;
  readonly kubeGroups: readonly string[];
  /** Resource rules to filter lists and watches by; absent when nothing needs filtering. */
  readonly rules?: readonly JsonObject[];
  readonly policyRevision: string;
  readonly requestId: string;
}

/** A grant that was verified, and when it ends. */
export interface VerifiedGrant extends Grant {
  readonly expiresAt: Date;
}

/** Name of the header that carries a grant. */
export const grantHeader = 'postern-grant';

const typ = 'postern-grant+jwt';

/** Signs a grant for one agent (its id is the audience), for at most a minute. */
export function signGrant(
  edge: StatementSigner,
  { requestId, kubeGroups, rules, ...grant }: Grant,
  { agentId, at, ttlSeconds }: { readonly agentId: string; readonly at: Date; readonly ttlSeconds?: number },
): Promise<string> {
  const claims = {
    ...grant,
    kubeGroups: [...kubeGroups],
    ...(rules ? { rules: [...rules] } : {}),
    rid: requestId,
  };
  return signStatement(edge, claims, {
    typ,
    audience: agentId,
    at,
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
  });
}

/** Reads a grant that came over the connection of `peer`. Throws unless `peer` is an edge and signed it for this agent. */
export async function verifyGrant(
  token: string,
  { peer, agentId, at }: { readonly peer: Peer; readonly agentId: string; readonly at: Date },
): Promise<VerifiedGrant> {
  const claims = await verifyStatement(token, { typ, audience: agentId, at, peer });
  const { sub, session, cluster, kubeUser, kubeGroups, rules, policyRevision, rid } = claims;
  const texts = { sub, session, cluster, kubeUser, policyRevision, rid };
  const user = parseSpiffeId(sub ?? '');
  const isComplete =
    Object.values(texts).every((text) => typeof text === 'string') &&
    (user?.type === 'user' || user?.type === 'bot') &&
    user.clusterName === peer.principal.clusterName &&
    Array.isArray(kubeGroups) &&
    kubeGroups.every((group) => typeof group === 'string') &&
    (rules === undefined || Array.isArray(rules));
  if (!isComplete) throw InvalidStatement('grant');
  return {
    sub: sub as string,
    session: session as string,
    cluster: cluster as string,
    kubeUser: kubeUser as string,
    kubeGroups,
    ...(rules === undefined ? {} : { rules: rules as JsonObject[] }),
    policyRevision: policyRevision as string,
    requestId: rid as string,
    expiresAt: new Date(claims.exp! * 1000),
  };
}
