import {
  AgentLost,
  AgentSeen,
  ClusterServed,
  KubeRequestAudited,
  type NewEvent,
  type PublicResource,
  ResourceDeleted,
  ResourceUpserted,
} from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import type { AppendItem, EventStore } from '@postern/event-store';

/** A made event and the stream that it continues. */
export interface Happening {
  readonly stream: string;
  readonly event: unknown;
}

const batchSize = 1000;
const batchesAtOnce = 4;

/** Records events as a service does, without their rows: those are what a rebuild makes. */
export class PlantedHistory<Db> {
  readonly #store: EventStore<Db>;
  readonly #versions = new Map<string, number>();

  constructor(store: EventStore<Db>) {
    this.#store = store;
  }

  /** The event of each index from 0. Batches that are on their way together share no stream. */
  async plant(count: number, at: (index: number) => Happening): Promise<void> {
    const step = batchSize * batchesAtOnce;
    for (let from = 0; from < count; from += step) {
      const items = Array.from({ length: Math.min(step, count - from) }, (_, index) =>
        this.#itemOf(at(from + index)),
      );
      const lanes: AppendItem[][] = Array.from({ length: batchesAtOnce }, () => []);
      for (const item of items) lanes[laneOf(item.stream)]!.push(item);
      await Promise.all(lanes.map((lane) => this.#store.append(lane)));
    }
  }

  #itemOf({ stream, event }: Happening): AppendItem {
    const version = (this.#versions.get(stream) ?? 0) + 1;
    this.#versions.set(stream, version);
    const meta = { actor: 'spiffe://bench/user/alice', correlationId: uuidv7() };
    return { stream, version, id: uuidv7(), event: event as NewEvent, meta };
  }
}

function laneOf(stream: string): number {
  let hash = 0;
  for (const character of stream) hash = (hash * 31 + character.charCodeAt(0)) % 1_000_003;
  return hash % batchesAtOnce;
}

const kinds = ['kube_cluster', 'kube_cluster', 'kube_cluster', 'user', 'role'] as const;
const deletedEach = 29;

/** The history of many resources: each is made, changed a few times, and some are deleted and made again. */
export function resourceHappening(index: number, resources: number): Happening {
  const which = index % resources;
  const round = Math.floor(index / resources);
  const kind = kinds[which % kinds.length]!;
  const id = `${kind.replace('_', '-')}-${String(which).padStart(6, '0')}`;
  const stream = `${kind}/${id}`;
  if (round > 0 && index % deletedEach === 0)
    return { stream, event: ResourceDeleted({ kind, id, reason: 'removed' }) };
  const resource = {
    kind,
    version: 'v3',
    metadata: { name: id, labels: labelsOf(which, round) },
    spec: specOf(kind, round),
  };
  return { stream, event: ResourceUpserted({ kind, id, created: round === 0, resource, secrets: {} }) };
}

function labelsOf(which: number, round: number): Record<string, string> {
  return {
    env: ['prod', 'stage', 'test', 'dev'][which % 4]!,
    region: `eu-${which % 7}`,
    team: `team-${which % 200}`,
    build: String(round),
  };
}

function specOf(kind: (typeof kinds)[number], round: number): PublicResource['spec'] {
  if (kind === 'kube_cluster') return {};
  if (kind === 'user')
    return { roles: ['viewer', `team-${round}`], traits: { kubernetes_groups: ['viewers'] } };
  const rule = { kind: '*', namespace: 'default', name: '*', verbs: ['get', 'list', 'watch'] };
  return {
    allow: {
      kubernetes_groups: ['viewers'],
      kubernetes_labels: { env: [`stage-${round}`] },
      kubernetes_resources: [rule],
    },
  };
}

/** What inventory-svc records: nearly all of it are requests to clusters. */
export function inventoryHappening(index: number): Happening {
  const agentId = `agent-${index % 997}`;
  if (index % 40 === 0) return { stream: `agent/${agentId}`, event: presenceOf(agentId, index) };
  if (index % 20 === 7) {
    const event = ClusterServed({
      agentId,
      cluster: `cluster-${index % 5000}`,
      state: 'served',
      labels: {},
      reason: '',
    });
    return { stream: `cluster_served/${uuidv7()}`, event };
  }
  return { stream: `kube_request/${uuidv7()}`, event: requestOf(index) };
}

function presenceOf(agentId: string, index: number): unknown {
  return index % 80 === 0
    ? AgentSeen({ agentId, hostname: 'node-1', version: '0.1.0', services: ['Kube'] })
    : AgentLost({ agentId, reason: 'silence', lastSeen: '2026-11-21T02:00:00.000Z' });
}

function requestOf(index: number): unknown {
  const namespace = `team-${index % 50}`;
  return KubeRequestAudited({
    requestId: uuidv7(),
    auditId: '',
    user: `user-${index % 400}`,
    session: uuidv7(),
    cluster: `cluster-${index % 5000}`,
    clusterLabels: labelsOf(index % 5000, 1),
    decision: index % 13 === 0 ? 'deny' : 'allow',
    reason: index % 13 === 0 ? 'access.no_role_allows' : '',
    roles: ['viewer'],
    method: 'GET',
    path: `/api/v1/namespaces/${namespace}/pods`,
    verb: 'list',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace,
    name: '',
    impersonate: { users: [], groups: [] },
    kubeUser: `user-${index % 400}`,
    kubeGroups: ['viewers'],
    outcome: 'known',
    status: 200,
    isStream: false,
    durationMs: (index % 100) / 3,
    bytesIn: 0,
    bytesOut: 0,
    policyRevision: 'e3b0c44298fc1c14',
    edge: 'c3eb8b77-5db1-8cc5-8847-33e2310f4eed',
    sourceIp: '10.0.0.9',
    userAgent: '',
  });
}
