import { PingReply } from '@postern/contracts';
import { failure } from '@postern/core';
import { route } from '@postern/http';
import { may, type ServiceDeps } from '../service-deps.ts';
import { findAgent } from './find-agents.ts';
import { agentParams, AgentUnknown } from './show-agent.ts';

export const AgentSilent = failure(
  'unavailable',
  'inventory.agent_silent',
  (id: string, seconds: number, lastSeen: string) =>
    `agent ${JSON.stringify(id)} did not answer within ${seconds} s; it was last heard of at ${lastSeen}`,
);

const timeoutMs = 5_000;

export const pingAgent = route<ServiceDeps>()({
  method: 'POST',
  url: '/v1/inventory/agents/:id/ping',
  allow: may('read', 'instance'),
  params: agentParams,
  reply: PingReply,
  async handle({ db, pings }, { params: { id } }) {
    const agent = await findAgent(db, id);
    if (!agent) throw AgentUnknown(id);
    const answered = await pings.ping(id, timeoutMs);
    if (!answered) throw AgentSilent(id, timeoutMs / 1000, agent.lastSeen);
    return { agentId: id, ...answered };
  },
});
