import { hostname } from 'node:os';
import { join } from 'node:path';
import { startHeartbeat } from '@postern/agent';
import { type Bus, EventStreamTarget, eventStream, factStreams } from '@postern/bus';
import type { Clock } from '@postern/core';
import { eventRoutes, openEventDesk } from '@postern/event-routes';
import { type EventStore, openParking, startInboxSweep, startRelay } from '@postern/event-store';
import { type HttpServer, httpServer, type ListenAddress, type Readiness, type Route } from '@postern/http';
import { type HeldIdentity, spiffeId } from '@postern/identity';
import type { Policy } from '@postern/policy';
import { rebuildChanged } from '@postern/projections';
import type { Telemetry } from '@postern/telemetry';
import { listAgents } from './agents/list-agents.ts';
import { listenToAgents } from './agents/listen-to-agents.ts';
import { pingAgent } from './agents/ping-agent.ts';
import { Pings } from './agents/pings.ts';
import { followRevocations, isRevoked } from './agents/revoked-agents.ts';
import { showAgent } from './agents/show-agent.ts';
import { showStatus } from './agents/show-status.ts';
import { consumeFacts } from './audit/fact-consumer.ts';
import { getRequest } from './audit/get-request.ts';
import { listRequests } from './audit/list-requests.ts';
import { listClusters } from './clusters/list-clusters.ts';
import { listKubeServers } from './clusters/list-kube-servers.ts';
import type { RegisteredLabels } from './clusters/visible-clusters.ts';
import type { InventoryConfig } from './config.ts';
import type { InventoryDb } from './database.ts';
import { inventoryProjections } from './projections.ts';
import { Presence } from './presence/presence.ts';
import { openContents } from './recordings/open-contents.ts';
import { getRecording, listRecordings, readRecordingPart } from './recordings/see-recordings.ts';
import { readStorePlace } from './recordings/store-place.ts';
import type { RecordingDeps } from './recordings/store-recording.ts';
import { announceRecording, receiveRecordingPart } from './recordings/upload-recording.ts';
import { may, type ServiceDeps } from './service-deps.ts';

/** Folder of this service's SQL migrations, for `openEventStore`. */
export const inventoryMigrations = join(import.meta.dirname, '../migrations');

/** Every operation of this service. */
export const inventoryRoutes: readonly Route<ServiceDeps>[] = [
  showStatus,
  listAgents,
  showAgent,
  pingAgent,
  listClusters,
  listKubeServers,
  listRequests,
  getRequest,
  listRecordings,
  getRecording,
  readRecordingPart,
  announceRecording,
  receiveRecordingPart,
  ...eventRoutes<ServiceDeps>({
    context: 'inventory',
    may: (verb) => may(verb, 'event'),
    desk: ({ events }) => events,
  }),
];

/** What the service runs on; whoever opened it closes it. */
export interface InventoryServiceDeps {
  readonly store: EventStore<InventoryDb>;
  readonly bus: Bus;
  readonly identity: HeldIdentity;
  readonly policy: Policy;
  /** The kube_cluster resources there are. */
  readonly clusters: RegisteredClusters;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Shared with the diagnostics listener. */
  readonly readiness?: Readiness;
}

/** The part of a view of kube_cluster resources that is used here. */
export interface RegisteredClusters {
  readonly ready: Promise<void>;
  get(kind: string, id: string): { readonly resource?: RegisteredCluster | undefined } | undefined;
}

interface RegisteredCluster {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> | undefined };
}

export type InventoryServiceConfig = Pick<
  InventoryConfig,
  'flushMs' | 'scanMs' | 'retentionMs' | 'maxPolicyAgeMs' | 'heartbeatIntervalMs'
> &
  Partial<Pick<InventoryConfig, 'natsReplicas' | 'recordingsStore' | 'maxRecordingBytes'>>;

/** A running replica. */
export interface InventoryService extends AsyncDisposable {
  listen(address: ListenAddress): ReturnType<HttpServer['listen']>;
}

/** Presence of agents, what they serve, and the record of what was asked of clusters. */
export async function inventoryService(
  deps: InventoryServiceDeps,
  config: InventoryServiceConfig,
): Promise<InventoryService> {
  await using opening = new AsyncDisposableStack();
  const { store, bus, identity, policy, clusters, telemetry, clock, readiness } = deps;
  const { clusterName, principal } = identity.current();
  const recordings = await recordingsOf(deps, config);
  const rebuilt = await rebuildChanged(store, inventoryProjections.withAppend);
  if (rebuilt.length > 0)
    telemetry.log.info('projections were rebuilt from events', { projections: rebuilt });
  const streams = { replicas: config.natsReplicas ?? 1 };
  await bus.reconcileStreams([eventStream('inventory', streams), ...factStreams(streams)]);
  opening.use(startRelay({ store, target: new EventStreamTarget(bus, store.context), telemetry }));
  const presence = opening.use(
    new Presence({ store, bus, telemetry, clock, actor: spiffeId(principal) }, config),
  );
  const pings = new Pings(bus, clock);
  opening.defer(listenToAgents({ bus, presence, pings, db: store.db, telemetry, clock }));
  const parking = opening.use(openParking({ store, telemetry }));
  opening.use(startInboxSweep(store, { telemetry }));
  const facts = opening.use(consumeFacts({ bus, store, parking, telemetry, clusterName, clock }));
  opening.use(followRevocations(bus, store.db, parking));
  const events = openEventDesk({ store, bus, parking });
  const server = opening.use(
    httpServer<ServiceDeps>({
      identity,
      service: 'inventory-svc',
      telemetry,
      clock,
      routes: inventoryRoutes,
      isRevoked: (id) => isRevoked(store.db, id),
      ...(readiness ? { readiness } : {}),
      deps: {
        db: store.db,
        store,
        events,
        pings,
        policy,
        registered: labelsIn(clusters),
        clock,
        recordings,
        ...config,
      },
    }),
  );
  opening.use(heartbeats(deps, config));
  opening.defer(() => events.close());
  const open = opening.move();
  return {
    listen: async (address) => {
      const listening = await server.listen(address);
      await Promise.all([policy.ready, clusters.ready, facts.ready, bus.flush()]);
      server.setReady(true);
      return listening;
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

const defaultMaxRecordingBytes = 256 * 1024 * 1024;

async function recordingsOf(
  { store, clock }: InventoryServiceDeps,
  { recordingsStore = 'postgres', maxRecordingBytes = defaultMaxRecordingBytes }: InventoryServiceConfig,
): Promise<RecordingDeps> {
  const contents = await openContents(readStorePlace(recordingsStore), store.db, clock);
  return { store, contents, clock, maxRecordingBytes };
}

function labelsIn(clusters: RegisteredClusters): RegisteredLabels {
  return (name) => {
    const resource = clusters.get('kube_cluster', name)?.resource;
    return resource && (resource.metadata.labels ?? {});
  };
}

function heartbeats(
  { bus, identity, telemetry, clock }: InventoryServiceDeps,
  { heartbeatIntervalMs }: InventoryServiceConfig,
) {
  const { principal } = identity.current();
  return startHeartbeat({
    bus,
    identity: { agentId: principal.id },
    hostname: hostname(),
    services: principal.roles,
    intervalMs: heartbeatIntervalMs,
    telemetry,
    clock,
  });
}
