import { hostname } from 'node:os';
import { startHeartbeat } from '@postern/agent';
import { type Bus, eventStream, eventStreamTarget, viewStream } from '@postern/bus';
import { type Clock, delay } from '@postern/core';
import { startRelay } from '@postern/event-store';
import { httpServer, type ListenAddress, type Readiness, type Route } from '@postern/http';
import { type HeldIdentity, sealerFrom } from '@postern/identity';
import { rebuildChanged } from '@postern/projections';
import type { Telemetry } from '@postern/telemetry';
import type { ResourceConfig } from './config.ts';
import { getCredential } from './credentials/get-credential.ts';
import { startLeading } from './leader.ts';
import type { ResourceEventStore } from './open-resource-store.ts';
import { createResource } from './resources/create-resource.ts';
import { deleteResource } from './resources/delete-resource.ts';
import { expireResources } from './resources/expire-resources.ts';
import { getResource } from './resources/get-resource.ts';
import { listResourcesOfKind } from './resources/list-resources.ts';
import { makePresets } from './resources/presets.ts';
import { putResource } from './resources/put-resource.ts';
import { resourceList } from './resources/resource-list.ts';
import type { ResourceStore } from './resources/run-command.ts';
import type { ServiceDeps } from './service-deps.ts';
import { closeUnreadViews } from './views/close-unread-views.ts';
import { followJoins } from './views/entitlement.ts';
import { keepViews } from './views/keep-views.ts';
import { serveViews } from './views/serve-views.ts';

/** Every operation of this service. */
export const resourceRoutes: readonly Route<ServiceDeps>[] = [
  createResource,
  putResource,
  getResource,
  listResourcesOfKind,
  deleteResource,
  getCredential,
];

/** What the service runs on; whoever opened it closes it. */
export interface ResourceServiceDeps {
  readonly store: ResourceEventStore;
  readonly bus: Bus;
  readonly identity: HeldIdentity;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Shared with the diagnostics listener. */
  readonly readiness?: Readiness;
}

/** What the service is told. */
export type ResourceServiceConfig = Pick<ResourceConfig, 'key' | 'heartbeatIntervalMs'>;

/** A running replica. */
export interface ResourceService extends AsyncDisposable {
  listen(address: ListenAddress): Promise<{ readonly url: string; readonly port: number }>;
}

const housekeepingMs = 1_000;

/** Resources, their secrets, and the views of them. */
export async function resourceService(
  deps: ResourceServiceDeps,
  config: ResourceServiceConfig,
): Promise<ResourceService> {
  await using opening = new AsyncDisposableStack();
  const { store, bus, identity, telemetry, clock } = deps;
  const resources = { store, sealer: sealerFrom(config.key), clock };
  const rebuilt = await rebuildChanged(store, [resourceList]);
  if (rebuilt.length > 0)
    telemetry.log.info('projections were rebuilt from events', { projections: rebuilt });
  await bus.reconcileStreams([eventStream('resource'), viewStream()]);
  await makePresets(resources);
  opening.use(startRelay({ store, target: eventStreamTarget(bus, 'resource'), telemetry }));
  opening.use(followJoins(bus, store.db));
  opening.use(
    startLeading({
      db: store.db,
      name: 'resource.views',
      telemetry,
      work: (signal) => keepViews(deps, signal),
    }),
  );
  opening.use(
    startLeading({
      db: store.db,
      name: 'resource.housekeeping',
      telemetry,
      work: (signal) => keepHouse(resources, signal),
    }),
  );
  opening.use(serveViews(deps));
  const routeDeps = { lookup: { db: store.db, clock }, resources, telemetry };
  const server = opening.use(
    httpServer({
      identity,
      service: 'resource-svc',
      telemetry,
      clock,
      routes: resourceRoutes,
      deps: routeDeps,
      ...(deps.readiness ? { readiness: deps.readiness } : {}),
    }),
  );
  opening.use(heartbeat(deps, config.heartbeatIntervalMs));
  const open = opening.move();
  return {
    listen: async (address) => {
      const listening = await server.listen(address);
      server.setReady(true);
      return listening;
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function keepHouse(resources: ResourceStore, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await expireResources(resources);
    await closeUnreadViews(resources);
    await delay(housekeepingMs, signal).catch(() => {});
  }
}

function heartbeat(
  { bus, identity, telemetry, clock }: ResourceServiceDeps,
  intervalMs: number,
): AsyncDisposable {
  const { id, roles } = identity.current().principal;
  const own = { identity: { agentId: id }, hostname: hostname(), services: roles, address: '' };
  return startHeartbeat({ ...own, bus, telemetry, clock, intervalMs });
}
