import type { AgentIdentity } from '@postern/agent';
import { type BusOptions, inboxPrefix } from '@postern/bus';
import type { ResourceConfig } from './config.ts';

/** How this service reaches the bus: on its own network, with the credential it was given when it joined, if there is one. */
export function busOptionsOf(identity: AgentIdentity, { natsServers }: ResourceConfig): BusOptions {
  const { ca, jwt } = identity.bus;
  return {
    servers: natsServers,
    name: identity.agentId,
    inboxPrefix: inboxPrefix(identity.agentId),
    ...(ca === undefined ? {} : { ca }),
    ...(jwt === undefined ? {} : { creds: () => ({ seed: identity.bus.seed, jwt: identity.bus.jwt ?? '' }) }),
  };
}
