import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Clock } from '@postern/core';
import {
  type AssertionAudience,
  assertionHeader,
  peerOf,
  type Principal,
  type TrustBundle,
  verifyAssertion,
} from '@postern/identity';
import { Unauthenticated } from './failures.ts';

/** Who calls, and what an edge in between said about the request. */
export interface Caller {
  readonly principal: Principal | undefined;
  /** Whether an edge speaks for the caller; otherwise it holds the connection itself. */
  readonly isForwarded: boolean;
  readonly requestId?: string;
  readonly sourceIp: string;
}

/** Whether an edge was revoked, by its id: its certificate is valid until it ends, and would let it speak for anybody. */
export type IsRevoked = (id: string) => Promise<boolean>;

interface CallerDeps {
  readonly trust: () => TrustBundle;
  readonly service: AssertionAudience;
  readonly clock: Clock;
  readonly isRevoked?: IsRevoked | undefined;
}

/**
 * Finds out who calls. A certificate must verify even where none is needed. The assertion header is read from an edge's
 * own connection only; from anybody else it is an attempt to be somebody else, and is refused as such.
 */
export async function callerOf(raw: IncomingMessage, deps: CallerDeps): Promise<Caller> {
  const { edge, ...caller } = await claimedBy(raw, deps);
  if (edge && (await deps.isRevoked?.(edge.id))) throw Unauthenticated();
  return caller;
}

async function claimedBy(
  raw: IncomingMessage,
  { trust, service, clock }: CallerDeps,
): Promise<Caller & { readonly edge?: Principal }> {
  const socket = raw.socket instanceof TLSSocket ? raw.socket : undefined;
  const sourceIp = raw.socket.remoteAddress ?? '';
  const at = clock();
  try {
    const peer = socket && peerOf(socket, trust(), at);
    const token = raw.headers[assertionHeader];
    if (token === undefined) return { principal: peer?.principal, isForwarded: false, sourceIp };
    if (!peer || typeof token !== 'string') throw Unauthenticated();
    const assertion = await verifyAssertion(token, { peer, audience: service, at });
    const { principal, requestId } = assertion;
    const { principal: edge } = peer;
    return { principal, isForwarded: true, requestId, sourceIp: assertion.sourceIp, edge };
  } catch (error) {
    throw Unauthenticated.from(error);
  }
}
