import { hostname } from 'node:os';
import { startHeartbeat } from '@postern/agent';
import { type Bus, eventStream, eventStreamTarget, viewStream, workStream } from '@postern/bus';
import { type Clock, delay } from '@postern/core';
import { eventRoutes, openEventDesk } from '@postern/event-routes';
import { openParking, startInboxSweep, startRelay } from '@postern/event-store';
import { httpServer, type ListenAddress, type Readiness, type Route } from '@postern/http';
import { type HeldIdentity, sealerFrom, spiffeId } from '@postern/identity';
import { rebuildChanged, runProjections } from '@postern/projections';
import type { Telemetry } from '@postern/telemetry';
import type { ResourceConfig } from './config.ts';
import { serveDiscovery } from './discovery/serve-discovery.ts';
import { getHistory } from './history/get-history.ts';
import { getPast } from './history/get-past.ts';
import { listChanges } from './history/list-changes.ts';
import { policyAt } from './history/policy-at.ts';
import { restoreResource } from './history/restore-resource.ts';
import { startLeading } from './leader.ts';
import type { ResourceEventStore } from './open-resource-store.ts';
import { resourceProjections } from './projections.ts';
import { createResource } from './resources/create-resource.ts';
import { deleteResource } from './resources/delete-resource.ts';
import { expireResources } from './resources/expire-resources.ts';
import { getResource } from './resources/get-resource.ts';
import { listResourcesOfKind } from './resources/list-resources.ts';
import { copiedAgentLocker } from './resources/lock-copied-agent.ts';
import { makePresets } from './resources/presets.ts';
import { putResource } from './resources/put-resource.ts';
import type { ResourceStore } from './resources/run-command.ts';
import { may } from './rules/may.ts';
import type { ServiceDeps } from './service-deps.ts';
import { closeUnreadViews } from './views/close-unread-views.ts';
import { followJoins, isRevoked } from './views/entitlement.ts';
import { keepViews } from './views/keep-views.ts';
import type { ViewStore } from './views/open-view.ts';
import { rekeyViews } from './views/rekey-views.ts';
import { serveViews } from './views/serve-views.ts';
import { keepWork } from './work/keep-work.ts';

/** Every operation of this service. */
export const resourceRoutes: readonly Route<ServiceDeps>[] = [
  createResource,
  putResource,
  getResource,
  listResourcesOfKind,
  deleteResource,
  policyAt,
  getHistory,
  getPast,
  listChanges,
  restoreResource,
  ...eventRoutes<ServiceDeps>({
    context: 'resource',
    may: (verb) => may(verb, 'event'),
    desk: ({ events }) => events,
  }),
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
export type ResourceServiceConfig = Pick<ResourceConfig, 'key' | 'heartbeatIntervalMs'> &
  Partial<Pick<ResourceConfig, 'natsReplicas'>> & {
    /** How long a generation of a view stays on the bus after it was given up; ten minutes if absent. */
    readonly garbageAfterMs?: number;
  };

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
  const self = spiffeId(identity.current().principal);
  const sealer = sealerFrom(config.key);
  const resources = { store, sealer, clock, self };
  const { garbageAfterMs } = config;
  const views = { ...deps, sealer, self, ...(garbageAfterMs === undefined ? {} : { garbageAfterMs }) };
  const rebuilt = await rebuildChanged(store, resourceProjections.withAppend);
  if (rebuilt.length > 0)
    telemetry.log.info('projections were rebuilt from events', { projections: rebuilt });
  const streams = { replicas: config.natsReplicas ?? 1 };
  await bus.reconcileStreams([eventStream('resource', streams), viewStream(streams), workStream(streams)]);
  await makePresets(resources);
  opening.use(startRelay({ store, target: eventStreamTarget(bus, 'resource'), telemetry }));
  const parking = opening.use(openParking({ store, telemetry }));
  opening.use(startInboxSweep(store, { telemetry }));
  opening.use(
    await runProjections({ store, bus, parking, projections: resourceProjections.behindBus, telemetry }),
  );
  opening.use(followJoins({ bus, db: store.db, parking, onCopied: copiedAgentLocker(resources) }));
  const lead = (name: string, work: (signal: AbortSignal) => Promise<void>) =>
    opening.use(startLeading({ db: store.db, name, telemetry, work }));
  lead('resource.views', (signal) => keepViews({ ...views, parking }, signal));
  lead('resource.housekeeping', (signal) => keepHouse(resources, views, signal));
  opening.use(serveViews(views));
  opening.use(keepWork(deps));
  opening.use(serveDiscovery({ bus, resources, telemetry }));
  const events = openEventDesk({ store, bus, parking });
  const routeDeps = { events, lookup: { db: store.db, clock }, resources, telemetry };
  const server = opening.use(
    httpServer({
      identity,
      service: 'resource-svc',
      telemetry,
      clock,
      routes: resourceRoutes,
      deps: routeDeps,
      isRevoked: (id) => isRevoked(store.db, id),
      ...(deps.readiness ? { readiness: deps.readiness } : {}),
    }),
  );
  opening.use(heartbeat(deps, config.heartbeatIntervalMs));
  opening.defer(() => events.close());
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

async function keepHouse(resources: ResourceStore, views: ViewStore, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await expireResources(resources);
    await closeUnreadViews(views);
    await rekeyViews(views);
    await delay(housekeepingMs, signal).catch(() => {});
  }
}

function heartbeat(
  { bus, identity, telemetry, clock }: ResourceServiceDeps,
  intervalMs: number,
): AsyncDisposable {
  const { id, roles } = identity.current().principal;
  const own = { identity: { agentId: id }, hostname: hostname(), services: roles };
  return startHeartbeat({ ...own, bus, telemetry, clock, intervalMs });
}
