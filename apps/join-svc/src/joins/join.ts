import { AgentJoined, type IssuedIdentity, type JoinRequest } from '@postern/contracts';
import { derivedUuid, messageOf } from '@postern/core';
import { handle } from '@postern/event-store';
import { caPin, readCsr } from '@postern/identity';
import { agentDecider, JoinIdTaken, KeyInUse } from '../agents/agent.ts';
import { after, keyFingerprint } from '../authorities/certify.ts';
import type { JoinDeps } from '../deps.ts';
import type { JoinToken } from '../methods/method.ts';
import { methodNamed } from '../methods/index.ts';
import { isOutdated, issueIdentity } from './issue-identity.ts';
import { whyRefused } from './match.ts';
import { JoinWasRefused, ProofRefused, refuse } from './refuse.ts';
import { safeUnknownName } from './tokens.ts';

/** From where a join came. */
export interface JoinContext {
  readonly sourceIp: string;
}

/**
 * The one way in: check the request, find the token, match, let the method verify the proof, record, certify. Whoever is
 * refused learns that and nothing else; the record says why.
 */
export async function join(
  deps: JoinDeps,
  request: JoinRequest,
  context: JoinContext,
): Promise<IssuedIdentity> {
  const leave = deps.limiter.enter(context.sourceIp);
  try {
    const identity = await joinOnce(deps, request, context);
    leave();
    return identity;
  } catch (error) {
    // Only what may be a guess counts against its sender.
    if (!JoinWasRefused.is(error)) leave();
    throw error;
  }
}

async function joinOnce(deps: JoinDeps, request: JoinRequest, context: JoinContext): Promise<IssuedIdentity> {
  const since = performance.now();
  const { publicKey } = await readCsr(request.csr);
  const token = await findToken(deps, request);
  const refusal = {
    request,
    token: token?.safeName ?? safeUnknownName(request.token),
    sourceIp: context.sourceIp,
    since,
  };
  const reason = whyRefused(token, request, deps.clock()) ?? (await whyUnproven(deps, token!, request));
  if (reason !== undefined) return refuse(deps, { ...refusal, reason });
  try {
    return await admit(deps, request, { token: token!, publicKey, sourceIp: context.sourceIp });
  } catch (error) {
    if (!JoinIdTaken.is(error) && !KeyInUse.is(error)) throw error;
    return refuse(deps, { ...refusal, reason: messageOf(error) });
  }
}

/** A token that was made a moment ago may still be on its way here: an unknown one is waited for until it is refused. */
function findToken(
  { tokens, refusalAfterMs }: JoinDeps,
  { token }: JoinRequest,
): Promise<JoinToken | undefined> {
  return tokens.appears(token, refusalAfterMs);
}

async function whyUnproven(
  deps: JoinDeps,
  token: JoinToken,
  request: JoinRequest,
): Promise<string | undefined> {
  const method = methodNamed(request.method);
  if (!method) return `there is no join method ${request.method}`;
  try {
    await method.verify(deps, token, request);
    return undefined;
  } catch (error) {
    if (ProofRefused.is(error)) return error.message;
    throw error;
  }
}

interface Admission {
  readonly token: JoinToken;
  readonly publicKey: string;
  readonly sourceIp: string;
}

async function admit(
  deps: JoinDeps,
  request: JoinRequest,
  { token, publicKey, sourceIp }: Admission,
): Promise<IssuedIdentity> {
  const { method, roles, hostname, joinId, service, busKey } = request;
  const key = keyFingerprint(publicKey);
  // The id is the server's: it follows from the join id in a way that no joiner can steer, so that a retry gets the same.
  const agentId = derivedUuid('agent', caPin(deps.certifier.authorities.host.certificate), joinId);
  const notAfter = after(deps.clock, deps.agentTtlMs).toISOString();
  const joined = {
    agentId,
    method,
    token: token.safeName,
    roles: roles.toSorted(),
    hostname,
    notAfter,
    sourceIp,
    key,
    ...(service === undefined ? {} : { service }),
    ...(busKey === undefined ? {} : { busKey }),
  };
  const handled = await handle(deps.store, {
    stream: `agent/${agentId}`,
    decider: agentDecider,
    command: { type: 'Join', joined },
    commandId: derivedUuid('join', joinId, key, busKey ?? ''),
    also: (trx) => trx.insertInto('agent_key').values({ agent_id: agentId, key }).execute(),
  });
  if (await isOutdated(deps, handled)) throw JoinIdTaken();
  // What was recorded, not what is asked for: a repetition may come with another token and other roles.
  const { roles: recorded } = AgentJoined.read(handled.events[0]!);
  return issueIdentity(deps, { agentId, roles: recorded, publicKey, state: handled.state, request });
}
