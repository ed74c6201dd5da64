import type { AgentIdentity } from '@postern/agent';
import { type BusOptions, inboxPrefix } from '@postern/bus';

/** How this process reaches the bus, read again at each connection because each renewal may change it. */
export function busOptionsOf(identity: AgentIdentity): BusOptions {
  const { servers, ca, jwt } = identity.bus;
  return {
    servers,
    name: identity.agentId,
    inboxPrefix: inboxPrefix(identity.agentId),
    ...(ca === undefined ? {} : { ca }),
    ...(jwt === undefined ? {} : { creds: () => ({ seed: identity.bus.seed, jwt: identity.bus.jwt ?? '' }) }),
  };
}
