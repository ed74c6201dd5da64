import { AgentJoined, type IssuedIdentity, type JoinRequest } from '@postern/contracts';
import { delay, derivedUuid, messageOf } from '@postern/core';
import { handle } from '@postern/event-store';
import { keyFingerprint, readCsr } from '@postern/identity';
import { agentDecider, JoinIdTaken, KeyInUse } from '../agents/agent.ts';
import { heldKeyRow } from '../agents/held-key.ts';
import { after } from '../authorities/certify.ts';
import type { JoinDeps } from '../deps.ts';
import { type JoinToken, ProofRefused } from '../methods/method.ts';
import { PolicyNotReady } from '../sessions/caller.ts';
import { isOutdated, issueIdentity } from './issue-identity.ts';
import { TooManyJoins } from './limiter.ts';
import { whyNotAllowed, whyRefused } from './match.ts';
import { type Established, prove } from './prove.ts';
import { JoinWasRefused, NotAllowedByToken, refuse } from './refuse.ts';
import { shownBy } from './shown.ts';
import { safeUnknownName } from './tokens.ts';
import { forgetEndedProofs, ProofWasUsed, usedProofRows } from './used-proof.ts';

/** From where a join came. */
export interface JoinContext {
  readonly sourceIp: string;
}

/**
 * The one way in: check the request, find the token, let the method verify the proof, match, record, certify. Whoever is
 * refused learns that and nothing else; the record says why. Only who has proved to be meant by the token is told what it does not give.
 */
export async function join(
  deps: JoinDeps,
  request: JoinRequest,
  context: JoinContext,
): Promise<IssuedIdentity> {
  const leave = await placeFor(deps, request, context);
  try {
    const identity = await joinOnce(deps, request, context);
    leave();
    return identity;
  } catch (error) {
    // Only what may be a guess counts against its sender.
    if (!JoinWasRefused.is(error) && !NotAllowedByToken.is(error)) leave();
    throw error;
  }
}

/** A place at the limiter. Whoever gets none waits as long as who is refused, so that a flood is as fast as it has connections. */
async function placeFor(
  deps: JoinDeps,
  request: JoinRequest,
  { sourceIp }: JoinContext,
): Promise<() => void> {
  try {
    return deps.limiter.enter(sourceIp, () => shownBy(deps, request));
  } catch (error) {
    if (TooManyJoins.is(error)) await delay(deps.refusalAfterMs);
    throw error;
  }
}

const refusals = [ProofRefused, ProofWasUsed, JoinIdTaken, KeyInUse];

async function joinOnce(deps: JoinDeps, request: JoinRequest, context: JoinContext): Promise<IssuedIdentity> {
  const since = performance.now();
  const { publicKey } = await readCsr(request.csr);
  const token = await findToken(deps, request);
  const { sourceIp } = context;
  const refusal = { request, token: token?.safeName ?? safeUnknownName(request.token), sourceIp, since };
  const reason = whyNotNow(deps, token, request);
  if (reason !== undefined) return refuse(deps, { ...refusal, reason });
  try {
    return await admit(deps, request, { token: token!, publicKey, sourceIp });
  } catch (error) {
    if (NotAllowedByToken.is(error)) return refuse(deps, { ...refusal, reason: error.message, told: error });
    if (!refusals.some((one) => one.is(error))) throw error;
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

interface Admission {
  readonly token: JoinToken;
  readonly publicKey: string;
  readonly sourceIp: string;
}

/** Lets the method verify the proof, records that it did, and certifies. */
async function admit(
  deps: JoinDeps,
  request: JoinRequest,
  { token, publicKey, sourceIp }: Admission,
): Promise<IssuedIdentity> {
  const { joinId, busKey } = request;
  const key = keyFingerprint(publicKey);
  // The id is the server's: it follows from the join id in a way that no joiner can steer, so that a retry gets the same.
  const agentId = derivedUuid('agent', deps.certifier.authorities.origin, joinId);
  const { attributes, uses } = await prove(deps, request, { token, key, agentId, sourceIp });
  requireUnchanged(deps, request, token);
  const excess = whyNotAllowed(token, request);
  if (excess !== undefined) throw NotAllowedByToken(excess);
  const joined = factOf(deps, request, { agentId, key, token, sourceIp, attributes });
  const { authorities } = deps.certifier;
  const handled = await handle(deps.store, {
    stream: `agent/${agentId}`,
    decider: agentDecider,
    command: { type: 'Join', joined },
    commandId: derivedUuid('join', joinId, key, busKey ?? ''),
    isProbablyNew: true,
    rows: { agent_key: [heldKeyRow({ ...joined, authorities })], used_proof: usedProofRows(agentId, uses) },
    ...(uses.length > 0 ? { also: (trx) => forgetEndedProofs(trx, deps.clock()) } : {}),
  });
  if (await isOutdated(deps, handled)) throw JoinIdTaken();
  // What was recorded, not what is asked for: a repetition may come with another token and other roles.
  const { roles: recorded } = AgentJoined.read(handled.events[0]!);
  return issueIdentity(deps, {
    agentId,
    roles: recorded,
    publicKey,
    state: handled.state,
    authorities,
    request,
  });
}

/**
 * Why the token lets nobody in now. Locks come with roles and users: while those are not known only the service token is good, since
 * it is those that join by it who tell of them.
 */
function whyNotNow(
  { policy, policyReady, clock }: JoinDeps,
  token: JoinToken | undefined,
  request: JoinRequest,
): string | undefined {
  const reason = whyRefused(token, request, clock());
  if (reason !== undefined) return reason;
  const lock = policy.lockOnToken(token!.id);
  if (lock) return lock.message === '' ? 'the token is locked' : `the token is locked: ${lock.message}`;
  if (!policyReady() && token!.origin !== 'service') throw PolicyNotReady();
  return undefined;
}

/** A proof takes its time at those who vouch for it. What decided must still hold when the join is recorded. */
function requireUnchanged(deps: JoinDeps, request: JoinRequest, token: JoinToken): void {
  const now = deps.tokens.find(request.token);
  if (!now || now.revision !== token.revision || whyNotNow(deps, now, request) !== undefined)
    throw ProofRefused('the token was changed, removed, locked or has expired while the proof was verified');
}

interface Joiner extends Pick<Established, 'attributes'>, Pick<Admission, 'token' | 'sourceIp'> {
  readonly agentId: string;
  readonly key: string;
}

function factOf(
  deps: JoinDeps,
  { method, roles, hostname, service, busKey }: JoinRequest,
  { token, attributes, ...joiner }: Joiner,
) {
  return {
    ...joiner,
    method,
    token: token.safeName,
    tokenId: token.id,
    roles: roles.toSorted(),
    hostname,
    notAfter: after(deps.clock, deps.agentTtlMs).toISOString(),
    attributes: { ...attributes },
    ...(service === undefined ? {} : { service }),
    ...(busKey === undefined ? {} : { busKey }),
  };
}
