import { Type, type Static } from 'typebox';
import { ClusterCondition, ClusterHealth, DiscoveryShare } from '../bus/messages.ts';

/** One joined process, as `tctl inventory ls` shows it. */
export const AgentView = Type.Object({
  agentId: Type.String(),
  hostname: Type.String(),
  services: Type.Array(Type.String()),
  version: Type.String(),
  /** `kube`, `unit`, `binary`, or empty. */
  upgrader: Type.String(),
  presence: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
  lastSeen: Type.String(),
  /** When its process began. */
  startedAt: Type.String(),
  /** How far its clock was ahead when its last heartbeat arrived, in milliseconds; absent where it does not say. */
  clockOffsetMs: Type.Optional(Type.Integer()),
  /** What it last logged as a warning or an error since it began. */
  lastError: Type.Optional(Type.Object({ at: Type.String(), message: Type.String() })),
  /** What it looks at, as a member of a discovery group. */
  discovery: Type.Optional(DiscoveryShare),
});
export type AgentView = Static<typeof AgentView>;

/**
 * `GET /v1/inventory/agents` → agents by id, those after `?after=`, a page of them; `?connected=true` only those online. `isLast` says
 * that none follow.
 */
export const AgentsReply = Type.Object({ agents: Type.Array(AgentView), isLast: Type.Boolean() });
export type AgentsReply = Static<typeof AgentsReply>;

/** `GET /v1/inventory/agents/:id` → one agent, and what it says it serves. */
export const AgentReply = Type.Object({
  agent: AgentView,
  clusters: Type.Array(
    Type.Object({ name: Type.String(), health: ClusterHealth, condition: ClusterCondition }),
  ),
});
export type AgentReply = Static<typeof AgentReply>;

/** `POST /v1/inventory/agents/:id/ping` → that the agent answered, after how long, and how far its clock is ahead. */
export const PingReply = Type.Object({
  agentId: Type.String(),
  roundTripMs: Type.Number(),
  clockOffsetMs: Type.Integer(),
});
export type PingReply = Static<typeof PingReply>;

/** `GET /v1/inventory/clusters` → what is served, merged by name, filtered to what the caller may see. */
export const ServedClusterView = Type.Object({
  name: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  health: ClusterHealth,
  /** The best that one of its agents found. */
  condition: ClusterCondition,
  kubeVersion: Type.String(),
  /** Agents that serve it now. */
  agents: Type.Array(
    Type.Object({ agentId: Type.String(), hostname: Type.String(), version: Type.String() }),
  ),
});
export type ServedClusterView = Static<typeof ServedClusterView>;
export const ServedClustersReply = Type.Object({ clusters: Type.Array(ServedClusterView) });
export type ServedClustersReply = Static<typeof ServedClustersReply>;

/** `GET /v1/inventory/kube_servers` → what each agent that is online serves, and how the clusters are there. */
export const KubeServerView = Type.Object({
  agentId: Type.String(),
  hostname: Type.String(),
  version: Type.String(),
  /** RFC 3339: when this is not so any more unless the agent is heard of. */
  expires: Type.String(),
  cluster: Type.Object({
    name: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    health: ClusterHealth,
    condition: ClusterCondition,
    kubeVersion: Type.String(),
  }),
});
export type KubeServerView = Static<typeof KubeServerView>;
export const KubeServersReply = Type.Object({ servers: Type.Array(KubeServerView) });
export type KubeServersReply = Static<typeof KubeServersReply>;

/** `GET /v1/inventory/status`: counts over all agents known, by what they are. */
export const InventoryStatus = Type.Object({
  versions: Type.Record(Type.String(), Type.Integer()),
  upgraders: Type.Record(Type.String(), Type.Integer()),
  services: Type.Record(Type.String(), Type.Integer()),
  total: Type.Integer(),
});
export type InventoryStatus = Static<typeof InventoryStatus>;
