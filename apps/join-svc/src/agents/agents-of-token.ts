import { AgentsOfTokenReply } from '@postern/contracts';
import { route } from '@postern/http';
import { Type } from 'typebox';
import type { JoinDeps } from '../deps.ts';
import { may } from '../sessions/may.ts';
import { agentsOfToken } from './locked-agents.ts';

const pageSize = 1_000;

/** `tctl inventory ls` asks for whom a lock on a token stops. */
export const agentsOfTokenRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/agents/by-token/:token',
  allow: may('list', 'instance'),
  params: Type.Object({ token: Type.String({ pattern: '^[0-9a-f]{64}$' }) }),
  query: Type.Object({ after: Type.Optional(Type.String({ maxLength: 253 })) }),
  reply: AgentsOfTokenReply,
  handle: async ({ store }, { params: { token }, query: { after = '' } }) => {
    const agentIds = await agentsOfToken(store.db, token, { after, limit: pageSize });
    return { agentIds, isLast: agentIds.length < pageSize };
  },
});
