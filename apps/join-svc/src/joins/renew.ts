import { type IssuedIdentity, JoinRefused, type RenewRequest } from '@postern/contracts';
import { type AppError, derivedUuid, uuidv7 } from '@postern/core';
import { handle } from '@postern/event-store';
import { keyFingerprint, type Principal, readCsr, spiffeId } from '@postern/identity';
import {
  agentDecider,
  AgentLocked,
  AgentWasRevoked,
  GenerationMismatch,
  UnknownAgent,
} from '../agents/agent.ts';
import { replaceHeldKey } from '../agents/held-key.ts';
import { requireUnlocked } from '../agents/self.ts';
import { after } from '../authorities/certify.ts';
import type { JoinDeps } from '../deps.ts';
import { isOutdated, issueIdentity } from './issue-identity.ts';
import type { JoinContext } from './join.ts';
import { recordRefusal } from './refuse.ts';

const recorded = [GenerationMismatch, UnknownAgent, AgentWasRevoked, AgentLocked];

/**
 * Renews the identity that the caller presents. Its name and roles are copied from there; the request contributes a key,
 * and nothing that could make the identity wider.
 *
 * The command is named by the presented generation and the new keys, so a renewal whose answer was lost is answered again, and
 * no bus user gets a credential that is not recorded.
 */
export async function renew(
  deps: JoinDeps,
  principal: Principal,
  request: RenewRequest,
  context: JoinContext,
): Promise<IssuedIdentity> {
  const { id: agentId, roles, generation = 0 } = principal;
  const { publicKey } = await readCsr(request.csr);
  const key = keyFingerprint(publicKey);
  const notAfter = after(deps.clock, deps.agentTtlMs).toISOString();
  try {
    requireUnlocked(deps, principal);
    const { authorities } = deps.certifier;
    const handled = await handle(deps.store, {
      stream: `agent/${agentId}`,
      decider: agentDecider,
      command: { type: 'Renew', generation, renewed: { agentId, notAfter, key, ...busKeyOf(request) } },
      commandId: derivedUuid('renew', agentId, String(generation), key, request.busKey ?? ''),
      meta: { actor: spiffeId(principal) },
      also: (trx) => replaceHeldKey(trx, { agentId, roles, key, notAfter, authorities }),
    });
    if (await isOutdated(deps, handled)) throw GenerationMismatch();
    return await issueIdentity(deps, {
      agentId,
      roles,
      publicKey,
      state: handled.state,
      authorities,
      request,
    });
  } catch (error) {
    if (recorded.some((refusal) => refusal.is(error)))
      await record(deps, principal, error as AppError, context);
    if (GenerationMismatch.is(error)) await reportCopy(deps, principal, context);
    throw error;
  }
}

function busKeyOf({ busKey }: RenewRequest): { readonly busKey?: string } {
  return busKey === undefined ? {} : { busKey };
}

/** Makes it a fact that there is a copy, by which resource-svc locks the agent. */
async function reportCopy(
  { store }: JoinDeps,
  principal: Principal,
  { sourceIp }: JoinContext,
): Promise<void> {
  const { id: agentId, generation = 0 } = principal;
  await handle(store, {
    stream: `agent/${agentId}`,
    decider: agentDecider,
    command: { type: 'ReportCopy', agentId, generation, sourceIp },
    commandId: uuidv7(),
    meta: { actor: spiffeId(principal) },
  });
}

/** A copy of an identity shows itself by a renewal that does not fit: the record is what an operator is warned by. */
async function record(
  deps: JoinDeps,
  { id, roles }: Principal,
  error: AppError,
  context: JoinContext,
): Promise<void> {
  const { sourceIp } = context;
  const reason = `agent ${id}: ${error.message}`;
  const event = JoinRefused({
    method: 'renew',
    token: '',
    hostname: '',
    roles: [...roles],
    reason,
    sourceIp,
  });
  await recordRefusal(deps, event);
  deps.telemetry.log.warn('a renewal was refused', { agentId: id, reason: error.message, sourceIp });
}
