import { type Bus, type BusOptions, connectBus, inboxPrefix } from '@postern/bus';
import { messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { IdentityOptions } from './identity-options.ts';
import { type AgentIdentity, openIdentity } from './open-identity.ts';

/** A process that joined: who it is, and the bus as it may use it. Closing it closes both. */
export interface JoinedProcess extends AsyncDisposable {
  readonly identity: AgentIdentity;
  readonly bus: Bus;
}

/** What a service is told that runs in one process with others. */
export interface BesideOthers {
  /** Where the bus is inside the trusted network; others go where they are told when they join. */
  readonly busServers?: BusOptions['servers'] | undefined;
}

/** How to join and where the bus is. */
export interface ProcessOptions extends IdentityOptions, BesideOthers {
  readonly telemetry: Telemetry;
}

/** Joins the cluster and connects to the bus with the credential of that identity, whatever its latest renewal brought. */
export async function joinProcess({ busServers, ...options }: ProcessOptions): Promise<JoinedProcess> {
  await using scope = new AsyncDisposableStack();
  const identity = scope.use(await openIdentity(options));
  const { servers, ca, jwt } = identity.bus;
  const credentials = () => ({ seed: identity.bus.seed, jwt: identity.bus.jwt ?? '' });
  const bus = scope.use(
    await connectBus({
      servers: busServers ?? servers,
      name: identity.agentId,
      inboxPrefix: inboxPrefix(identity.agentId),
      telemetry: options.telemetry,
      ...(ca === undefined ? {} : { ca }),
      ...(jwt === undefined ? {} : { creds: credentials }),
    }),
  );
  if (jwt !== undefined) scope.defer(identity.onRenewed(() => void renewBus(bus, options)));
  const open = scope.move();
  return { identity, bus, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** The server would end the connection with the old credential, in the middle of whatever is going on then. */
async function renewBus(bus: Bus, { telemetry }: Pick<ProcessOptions, 'telemetry'>): Promise<void> {
  await bus
    .renewCredentials()
    .catch((error: unknown) =>
      telemetry.log.warn('the renewed bus credential is not in use yet', { error: messageOf(error) }),
    );
}
