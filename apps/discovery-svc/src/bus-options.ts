import type { AgentIdentity } from '@postern/agent';
import { type BusOptions, inboxPrefix } from '@postern/bus';

/** How an agent reaches the bus: where and as whom it was told when it joined, read again at each connection. */
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
