import { explainMissing, mayRule } from '@postern/access';
import { AgentRevoked, RevokeReply, RevokeRequest } from '@postern/contracts';
import { failure } from '@postern/core';
import { handle } from '@postern/event-store';
import { allowIf, route } from '@postern/http';
import { type Principal, spiffeId } from '@postern/identity';
import { sql } from 'kysely';
import { Type } from 'typebox';
import { addRevocations, type Told } from '../bus/revocations.ts';
import type { JoinStore } from '../database.ts';
import type { JoinDeps } from '../deps.ts';
import { callingUser, checkActive } from '../sessions/caller.ts';
import { agentDecider, type AgentState } from './agent.ts';
import { endHeldKey } from './held-key.ts';

/** Somebody without the right wants to revoke an agent. */
const MayNotRevoke = failure('permission_denied', 'join.may_not_revoke', (why: string) => why);

/** `tctl inventory revoke`: the agent is renewed no more and the bus refuses it. Once more changes nothing and tells the bus again. */
export const revokeAgentRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/agents/:id/revoke',
  allow: allowIf<JoinDeps>('users whose roles may update instance', ({ deps, principal }) =>
    mayRevoke(deps, principal),
  ),
  params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 253 }) }),
  body: RevokeRequest,
  reply: RevokeReply,
  handle: async (deps, { params: { id: agentId }, body: { message }, principal, request }) => {
    const by = spiffeId(principal);
    const revoked = { agentId, by, ...(message === undefined ? {} : { message }) };
    const { state } = await handle(deps.store, {
      stream: `agent/${agentId}`,
      decider: agentDecider,
      command: { type: 'Revoke', revoked, at: deps.clock() },
      commandId: request.commandId,
      meta: { actor: by },
      also: async (trx, events) => {
        for (const event of events) await addRevocations(trx, agentId, AgentRevoked.read(event).busKeys);
        await endHeldKey(trx, agentId);
      },
    });
    const bus = await tellBus(deps, agentId, state);
    deps.telemetry.log.warn('an agent was revoked', { agentId, by, bus });
    return { agentId, bus, credentialsEnd: endOf(state) };
  },
});

/** Whether an agent, or an edge, was revoked. */
export async function isRevoked({ db }: Pick<JoinStore, 'db'>, agentId: string): Promise<boolean> {
  const { rows } = await sql`select 1 from es_event
    where stream_id = ${`agent/${agentId}`} and type = ${AgentRevoked.type} limit 1`.execute(db);
  return rows.length > 0;
}

async function mayRevoke(deps: JoinDeps, principal: Principal): Promise<boolean> {
  const user = await callingUser(deps, principal);
  checkActive(deps, user);
  const roles = deps.policy.rolesOf(user);
  if (!mayRule(roles, 'instance', 'update')) throw MayNotRevoke(explainMissing(roles, 'instance', 'update'));
  return true;
}

/** Once the bus refuses the agent, a goodbye in its name takes it out of the inventory and out of every edge's routes. */
async function tellBus(deps: JoinDeps, agentId: string, state: AgentState): Promise<Told> {
  const told = await deps.revocations.tell();
  deps.sayGoodbye(agentId);
  // Agents that joined before their bus users were recorded cannot be named to the bus.
  const isNameless = state.state === 'revoked' && state.busKeys.length === 0 && hasCredential(deps, state);
  return isNameless ? 'cannot-be-told' : told;
}

function hasCredential({ clock }: JoinDeps, state: AgentState): boolean {
  return new Date(endOf(state)) > clock();
}

function endOf(state: AgentState): string {
  if (state.state === 'unknown') return '';
  return [state.notAfter, ...state.busKeys.map(({ notAfter }) => notAfter)].toSorted().at(-1)!;
}
