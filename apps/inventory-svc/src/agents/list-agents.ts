import { AgentsReply } from '@postern/contracts';
import { route } from '@postern/http';
import { Type } from 'typebox';
import { may, type ServiceDeps } from '../service-deps.ts';
import { findAgents } from './find-agents.ts';

const pageSize = 2_000;

export const listAgents = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/agents',
  allow: may('list', 'instance'),
  query: Type.Object({
    connected: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
    after: Type.Optional(Type.String({ maxLength: 253 })),
  }),
  reply: AgentsReply,
  async handle({ db, clock, retentionMs }, { query: { connected, after = '' } }) {
    const filter = { since: new Date(clock().getTime() - retentionMs), onlineOnly: connected === 'true' };
    const agents = await findAgents(db, filter, { after, limit: pageSize });
    return { agents, isLast: agents.length < pageSize };
  },
});
