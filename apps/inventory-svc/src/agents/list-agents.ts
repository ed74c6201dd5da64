import { AgentsReply } from '@postern/contracts';
import { route } from '@postern/http';
import { Type } from 'typebox';
import { may, type ServiceDeps } from '../service-deps.ts';
import { findAgents } from './find-agents.ts';

export const listAgents = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/agents',
  allow: may('list', 'instance'),
  query: Type.Object({ connected: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])) }),
  reply: AgentsReply,
  async handle({ db, clock, retentionMs }, { query }) {
    const since = new Date(clock().getTime() - retentionMs);
    return { agents: await findAgents(db, { since, onlineOnly: query.connected === 'true' }) };
  },
});
