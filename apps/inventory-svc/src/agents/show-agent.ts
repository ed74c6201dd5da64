import { AgentReply, unknownCondition } from '@postern/contracts';
import { failure } from '@postern/core';
import { route } from '@postern/http';
import { Type } from 'typebox';
import { reportOf } from '../clusters/served-reports.ts';
import { may, type ServiceDeps } from '../service-deps.ts';
import { findAgent } from './find-agents.ts';

export const AgentUnknown = failure(
  'not_found',
  'inventory.agent_unknown',
  (id: string) =>
    `no agent ${JSON.stringify(id)} was ever heard of: tctl inventory ls shows those that are known`,
);

/** The id of an agent in a path. */
export const agentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 253 }) });

export const showAgent = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/agents/:id',
  allow: may('read', 'instance'),
  params: agentParams,
  reply: AgentReply,
  async handle({ db }, { params: { id } }) {
    const agent = await findAgent(db, id);
    if (!agent) throw AgentUnknown(id);
    const clusters = (await reportOf(db, id)).map(({ name, health, condition = unknownCondition }) => ({
      name,
      health,
      condition,
    }));
    return { agent, clusters };
  },
});
