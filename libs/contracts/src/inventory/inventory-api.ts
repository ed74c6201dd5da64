import { Type, type Static } from 'typebox';

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
});
export type AgentView = Static<typeof AgentView>;

/** `GET /v1/inventory/agents` → every agent known; `?connected=true` only those online. */
export const AgentsReply = Type.Object({ agents: Type.Array(AgentView) });
export type AgentsReply = Static<typeof AgentsReply>;

/** `GET /v1/inventory/clusters` → what is served, merged by name, filtered to what the caller may see. */
export const ServedClusterView = Type.Object({
  name: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  health: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
  kubeVersion: Type.String(),
  /** Agents that serve it now. */
  agents: Type.Array(
    Type.Object({ agentId: Type.String(), hostname: Type.String(), version: Type.String() }),
  ),
});
export type ServedClusterView = Static<typeof ServedClusterView>;
export const ServedClustersReply = Type.Object({ clusters: Type.Array(ServedClusterView) });
export type ServedClustersReply = Static<typeof ServedClustersReply>;

/** `GET /v1/inventory/status`: counts over all agents known, by what they are. */
export const InventoryStatus = Type.Object({
  versions: Type.Record(Type.String(), Type.Integer()),
  upgraders: Type.Record(Type.String(), Type.Integer()),
  services: Type.Record(Type.String(), Type.Integer()),
  total: Type.Integer(),
});
export type InventoryStatus = Static<typeof InventoryStatus>;
