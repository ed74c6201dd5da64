import { eventRoutes } from '@postern/event-routes';
import type { Route } from '@postern/http';
import { agentsOfTokenRoute } from './agents/agents-of-token.ts';
import { revokeAgentRoute } from './agents/revoke-agent.ts';
import { selfRoute } from './agents/self.ts';
import { statusRoute, trustRoute } from './authorities/routes.ts';
import { challengeRoute } from './challenges/routes.ts';
import type { JoinDeps } from './deps.ts';
import { joinRoute, renewRoute } from './joins/routes.ts';
import { staticTokensRoute } from './joins/static-tokens.ts';
import { meRoute } from './sessions/me.ts';
import { may } from './sessions/may.ts';
import { followedRoute, rotateRoute } from './rotation/routes.ts';
import { certificatesRoute, signRoute } from './sessions/sign.ts';

/** Every HTTP operation of join-svc. */
export const routes: readonly Route<JoinDeps>[] = [
  trustRoute,
  challengeRoute,
  joinRoute,
  renewRoute,
  staticTokensRoute,
  signRoute,
  certificatesRoute,
  statusRoute,
  meRoute,
  revokeAgentRoute,
  selfRoute,
  agentsOfTokenRoute,
  followedRoute,
  rotateRoute,
  ...eventRoutes<JoinDeps>({
    context: 'join',
    may: (verb) => may(verb, 'event'),
    desk: ({ events }) => events,
  }),
];
