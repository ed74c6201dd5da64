import { SelfReply } from '@postern/contracts';
import { fold } from '@postern/event-store';
import { route } from '@postern/http';
import type { Principal } from '@postern/identity';
import type { JoinDeps } from '../deps.ts';
import { PolicyNotReady } from '../sessions/caller.ts';
import { agentDecider, AgentLocked, AgentWasRevoked, UnknownAgent } from './agent.ts';

/** An agent asks whether its identity holds: when it starts, and while the bus does not let it in. */
export const selfRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/agents/self',
  allow: 'agent',
  reply: SelfReply,
  handle: async (deps, { principal }) => {
    const { id: agentId } = principal;
    const agent = fold(agentDecider, await deps.store.load(`agent/${agentId}`));
    if (agent.state === 'unknown') throw UnknownAgent();
    if (agent.state === 'revoked') throw AgentWasRevoked();
    requireUnlocked(deps, principal);
    return { agentId, generation: agent.generation };
  },
});

/**
 * Refuses an agent that a lock is on. Services of the control plane are let through while locks are not known here, since it is
 * they who tell of them.
 */
export function requireUnlocked(
  { policy, policyReady }: Pick<JoinDeps, 'policy' | 'policyReady'>,
  { id, joinToken, roles }: Principal,
): void {
  const lock = policy.lockOnAgent(id, joinToken);
  if (lock) throw AgentLocked(lock.message);
  if (!policyReady() && !roles.includes('Auth')) throw PolicyNotReady();
}
