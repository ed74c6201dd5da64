import { StaticTokensReply } from '@postern/contracts';
import { route } from '@postern/http';
import type { JoinDeps } from '../deps.ts';
import { may } from '../sessions/may.ts';

/** `tctl tokens ls` shows these beside the tokens that are resources. Nobody but the configuration changes them. */
export const staticTokensRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/static_tokens',
  allow: may('list', 'token'),
  reply: StaticTokensReply,
  handle: ({ tokens }) => ({
    tokens: tokens.staticTokens.map(({ id, roles }) => ({ id, roles: [...roles] })),
  }),
});
