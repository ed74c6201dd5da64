import { Type, type Static } from 'typebox';
import { PublicResource } from '../resource/resource-events.ts';
import { Selector } from '../selector.ts';

/** Why a served cluster is or is not usable right now. */
export const ClusterHealth = Type.Union([Type.Literal('online'), Type.Literal('offline')]);

/** What an agent's check of a cluster found: whether its credentials suffice to serve it. */
export const ClusterCondition = Type.Object({
  state: Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy'), Type.Literal('unknown')]),
  /** Stable word for what is wrong, or `ok`. */
  reason: Type.String({ maxLength: 40 }),
  /** For the operator. */
  message: Type.String({ maxLength: 1000 }),
});
export type ClusterCondition = Static<typeof ClusterCondition>;

/** The condition that nobody has found out yet. */
export const unknownCondition: ClusterCondition = { state: 'unknown', reason: 'unknown', message: '' };

/** One cluster that an agent serves. `labels` are the operator's plus the agent's dynamic ones; static keys win. */
export const ServedCluster = Type.Object({
  name: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  /** `dynamic` comes from a kube_cluster resource, `config-file` from the agent's own configuration. */
  origin: Type.Union([Type.Literal('dynamic'), Type.Literal('config-file')]),
  health: ClusterHealth,
  /** Absent in the reports of agents that do not check. */
  condition: Type.Optional(ClusterCondition),
  /** Version string of the API server, or empty while unknown. */
  kubeVersion: Type.String(),
});
export type ServedCluster = Static<typeof ServedCluster>;

/** Everything an agent serves now. `revision` grows by one with each change within one run of the process. */
export const ServedReport = Type.Object({
  agentId: Type.String(),
  /** Random id of this run of the process: reports of an older run never replace those of a newer one. */
  run: Type.String(),
  startedAt: Type.String(),
  revision: Type.Integer({ minimum: 0 }),
  clusters: Type.Array(ServedCluster),
});
export type ServedReport = Static<typeof ServedReport>;

/** What a member of a discovery group looks at. */
export const DiscoveryShare = Type.Object({
  group: Type.String({ maxLength: 253 }),
  /** As `eks/<account>/<region>/<matcher>`; of a long list the first ones. */
  sources: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 100 }),
  /** How many there are. */
  total: Type.Integer({ minimum: 0 }),
});
export type DiscoveryShare = Static<typeof DiscoveryShare>;

/** Sent every heartbeat interval. A row, not an event. */
export const Heartbeat = Type.Object({
  agentId: Type.String(),
  run: Type.String(),
  startedAt: Type.String(),
  /** Grows by one with each heartbeat of this run. */
  sequence: Type.Integer({ minimum: 0 }),
  /** Milliseconds until the next one at the latest. */
  intervalMs: Type.Integer({ minimum: 100 }),
  version: Type.String(),
  hostname: Type.String(),
  /** System roles as in certificates: Kube, Discovery, Proxy, Auth. */
  services: Type.Array(Type.String()),
  /** The revision of its latest ServedReport. */
  servedRevision: Type.Integer({ minimum: 0 }),
  /** The time where it runs, RFC 3339. */
  sentAt: Type.Optional(Type.String({ maxLength: 40 })),
  /** What it last logged as a warning or an error in this run. */
  lastError: Type.Optional(Type.Object({ at: Type.String({ maxLength: 40 }), message: Type.String() })),
  /** Of a Discovery Service. */
  discovery: Type.Optional(DiscoveryShare),
});
export type Heartbeat = Static<typeof Heartbeat>;

/** Says that an agent leaves. Of one that was revoked nothing may go on, not even what is under way. */
export const Goodbye = Type.Object({ revoked: Type.Optional(Type.Boolean()) });
export type Goodbye = Static<typeof Goodbye>;

/** Asks an agent whether it is there. */
export const Ping = Type.Object({ nonce: Type.String({ maxLength: 64 }) });
export type Ping = Static<typeof Ping>;

/** Answers a `Ping`, whose nonce it has, with the time at the agent, RFC 3339. */
export const Pong = Type.Object({
  nonce: Type.String({ maxLength: 64 }),
  at: Type.String({ maxLength: 40 }),
});
export type Pong = Static<typeof Pong>;

/** Sent by an edge every interval: that it is there, and how its other edges reach it. */
export const EdgeBeat = Type.Object({
  /** Random id of this run of the process. */
  run: Type.String({ maxLength: 64 }),
  /** Milliseconds until the next one at the latest. */
  intervalMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
  /** host:port where other edges open tunnels to it. */
  address: Type.String({ maxLength: 300 }),
  /** The revision of its latest `EdgeTunnels`. */
  revision: Type.Integer({ minimum: 0 }),
});
export type EdgeBeat = Static<typeof EdgeBeat>;

/** Ids of the agents whose tunnels an edge holds. `revision` grows by one with each change within one run. */
export const EdgeTunnels = Type.Object({
  run: Type.String({ maxLength: 64 }),
  revision: Type.Integer({ minimum: 0 }),
  agents: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 20_000 }),
});
export type EdgeTunnels = Static<typeof EdgeTunnels>;

/** A fact born at an agent. `id` is the event id that makes its persistence exactly once. */
export const FactMessage = Type.Object({
  id: Type.String(),
  type: Type.String(),
  v: Type.Integer({ minimum: 1 }),
  at: Type.String(),
  data: Type.Record(Type.String(), Type.Unknown()),
  traceparent: Type.Optional(Type.String()),
});
export type FactMessage = Static<typeof FactMessage>;

/** Facts that travel together; each is recorded or refused for itself, by its own id. */
export const FactBatch = Type.Object({ facts: Type.Array(FactMessage, { minItems: 1 }) });
export type FactBatch = Static<typeof FactBatch>;

/** Shows who asks about a view: a certificate, and a statement that its key signed a moment ago. */
export const ViewProof = Type.Object({
  certificate: Type.String({ maxLength: 8192 }),
  statement: Type.String({ maxLength: 4096 }),
});
export type ViewProof = Static<typeof ViewProof>;

export const OpenViewRequest = Type.Object({ selector: Selector, proof: Type.Optional(ViewProof) });
export type OpenViewRequest = Static<typeof OpenViewRequest>;

export const OpenViewReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), hash: Type.String() }),
  Type.Object({ ok: Type.Literal(false), code: Type.String(), message: Type.String() }),
]);
export type OpenViewReply = Static<typeof OpenViewReply>;

/** Asks for the page of a view's entries after a place. Also renews the reader's lease on the view. */
export const SnapshotRequest = Type.Object({ hash: Type.String(), after: Type.String() });
export type SnapshotRequest = Static<typeof SnapshotRequest>;

/** One entry of a view. `rev` is the resource stream's version: it only grows, also across deletion and creation. */
export const ViewEntry = Type.Object({
  kind: Type.String(),
  id: Type.String(),
  rev: Type.Integer({ minimum: 1 }),
  /** The opaque revision for conditional updates. */
  revision: Type.String(),
  /** Absent when the resource was deleted or no longer matches. */
  resource: Type.Optional(PublicResource),
  /** The secrets of the resource, in views that show them: a JWE under the key of the view. */
  sealed: Type.Optional(Type.String()),
});
export type ViewEntry = Static<typeof ViewEntry>;

export const SnapshotPage = Type.Object({
  ok: Type.Boolean(),
  /** Set when `ok` is false: `unknown_view` means open it again. */
  code: Type.Optional(Type.String()),
  entries: Type.Array(ViewEntry),
  /** Pass as `after` for the next page; empty when this was the last. */
  next: Type.String(),
  /** The generation that the page was read in: what comes live of an earlier one is of no account any more. */
  generation: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type SnapshotPage = Static<typeof SnapshotPage>;

/** Asks for the keys of a view with secrets. The statement of the proof names the key that they shall be wrapped for. */
export const ViewKeyRequest = Type.Object({ hash: Type.String(), proof: ViewProof });
export type ViewKeyRequest = Static<typeof ViewKeyRequest>;

/** `wrapped` is a JWE for the asking agent; it holds every key that entries of the view may be sealed with now. */
export const ViewKeyReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), wrapped: Type.String() }),
  Type.Object({ ok: Type.Literal(false), code: Type.String(), message: Type.String() }),
]);
export type ViewKeyReply = Static<typeof ViewKeyReply>;

export const RoutesReply = Type.Object({ reports: Type.Array(ServedReport) });
export type RoutesReply = Static<typeof RoutesReply>;
