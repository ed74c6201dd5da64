import { isPlainObject, isUuid } from '@postern/core';
import { InvalidStatement, type Peer, signStatement, type StatementSigner, verifyStatement } from './jws.ts';
import { isTokenId, type Principal } from './principal.ts';
import { parseSpiffeId, spiffeId } from './spiffe-id.ts';

/** The services that take assertions. */
export type AssertionAudience = 'join-svc' | 'resource-svc' | 'inventory-svc';

/** What the edge tells a service about a request it forwards. */
export interface Assertion {
  /** The caller, or undefined when the edge forwards a request of nobody. */
  readonly principal: Principal | undefined;
  readonly requestId: string;
  readonly sourceIp: string;
}

/** Name of the header that carries an assertion. */
export const assertionHeader = 'postern-assertion';

const typ = 'postern-assertion+jwt';
const nobody = 'nobody';

/** Signs who is calling, for one service, for at most a minute. */
export function signAssertion(
  edge: StatementSigner,
  { principal, requestId, sourceIp }: Assertion,
  { audience, at }: { readonly audience: AssertionAudience; readonly at: Date },
): Promise<string> {
  const claims = principal
    ? { sub: spiffeId(principal), caller: callerClaims(principal) }
    : { sub: nobody, anon: true };
  return signStatement(edge, { ...claims, rid: requestId, ip: sourceIp }, { typ, audience, at });
}

/** Reads an assertion that came over the connection of `peer`. Throws unless `peer` is an edge and signed it. */
export async function verifyAssertion(
  token: string,
  { peer, audience, at }: { readonly peer: Peer; readonly audience: AssertionAudience; readonly at: Date },
): Promise<Assertion> {
  const { sub, caller, anon, rid, ip } = await verifyStatement(token, { typ, audience, at, peer });
  if (typeof rid !== 'string' || typeof ip !== 'string') throw InvalidStatement('assertion');
  if (anon === true && sub === nobody) return { principal: undefined, requestId: rid, sourceIp: ip };
  const principal = principalFrom(sub ?? '', caller);
  // A cluster has one trust domain: an edge that speaks for somebody of another one is mistaken or worse.
  if (principal.clusterName !== peer.principal.clusterName || principal.notAfter <= at)
    throw InvalidStatement('assertion');
  return { principal, requestId: rid, sourceIp: ip };
}

function callerClaims({ session, generation, joinToken, roles, notAfter, fingerprint }: Principal) {
  return {
    ...(session === undefined ? {} : { session }),
    ...(generation === undefined ? {} : { generation }),
    ...(joinToken === undefined ? {} : { joinToken }),
    roles: [...roles],
    notAfter: notAfter.toISOString(),
    fingerprint,
  };
}

function principalFrom(sub: string, caller: unknown): Principal {
  const name = parseSpiffeId(sub);
  if (!name || !isPlainObject(caller)) throw InvalidStatement('assertion');
  const { session, generation, joinToken, roles, notAfter, fingerprint } = caller;
  const isComplete =
    (session === undefined || (typeof session === 'string' && isUuid(session))) &&
    (generation === undefined || Number.isSafeInteger(generation)) &&
    (joinToken === undefined || (typeof joinToken === 'string' && isTokenId(joinToken))) &&
    Array.isArray(roles) &&
    roles.every((role) => typeof role === 'string') &&
    typeof notAfter === 'string' &&
    !Number.isNaN(Date.parse(notAfter)) &&
    typeof fingerprint === 'string';
  if (!isComplete) throw InvalidStatement('assertion');
  return {
    ...name,
    ...(session === undefined ? {} : { session }),
    ...(generation === undefined ? {} : { generation: generation as number }),
    ...(joinToken === undefined ? {} : { joinToken }),
    roles,
    notAfter: new Date(notAfter),
    fingerprint,
  };
}
