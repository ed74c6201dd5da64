import type { DiscoveryShare, RecordedSessionHead, ServedCluster } from '@postern/contracts';
import type { ColumnType, Generated } from 'kysely';

export type Presence = 'online' | 'offline';

/** A column that is written as JSON text and read as a value. */
type JsonColumn<T> = ColumnType<T, string, string>;

export interface AgentTable {
  agent_id: string;
  run: string;
  started_at: Date;
  sequence: number;
  interval_ms: number;
  last_seen: Date;
  version: string;
  hostname: string;
  services: string[];
  served_revision: number;
  presence: Generated<Presence>;
  stream_version: Generated<number>;
  left_run: Generated<string>;
  left_at: Generated<Date>;
  clock_offset_ms: number | null;
  last_error: string | null;
  last_error_at: Date | null;
  discovery: JsonColumn<DiscoveryShare | null>;
}

interface ServedReportTable {
  agent_id: string;
  run: string;
  started_at: Date;
  revision: number;
  reported_at: Date;
  clusters: JsonColumn<ServedCluster[]>;
}

export interface KubeRequestTable {
  event_id: string;
  request_id: string;
  at: Date;
  username: string;
  session: string;
  cluster: string;
  decision: string;
  reason: string;
  verb: string;
  api_group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  outcome: string;
  status: number;
  is_stream: boolean;
  duration_ms: number;
  bytes_in: number;
  bytes_out: number;
  edge: string;
  source_ip: string;
}

interface KubeEndingTable {
  event_id: string;
  request_id: string;
  edge: string;
  at: Date;
  ended_by: string;
  reason: string;
  duration_ms: number;
  bytes_in: number;
  bytes_out: number;
}

interface RevokedAgentTable {
  agent_id: string;
  revoked_at: Date;
}

export interface RecordingTable {
  session_id: string;
  edge: string;
  username: string;
  cluster: string;
  started_at: Date;
  head: JsonColumn<RecordedSessionHead>;
  command: string;
  bytes: number;
  sha256: string;
  is_complete: boolean;
  received_bytes: Generated<number>;
  /** Of the large object, where the content is one. */
  content: number | null;
  stored_at: Date | null;
}

/** The tables of inventory-svc besides those of the event store. */
export interface InventoryDb {
  agent: AgentTable;
  served_report: ServedReportTable;
  kube_request: KubeRequestTable;
  kube_ending: KubeEndingTable;
  revoked_agent: RevokedAgentTable;
  recording: RecordingTable;
}
