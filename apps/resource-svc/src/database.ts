import type { PublicResource, Selector } from '@postern/contracts';
import type { ColumnType, Generated } from 'kysely';

/** A column that is written as JSON text and read as a value. */
type JsonColumn<T> = ColumnType<T, string, string>;

interface ResourceTable {
  kind: string;
  id: string;
  version: number;
  doc: JsonColumn<PublicResource>;
  secrets: JsonColumn<Record<string, string>>;
  expires: Date | null;
}

interface GoneTable {
  kind: string;
  id: string;
  version: number;
  at: Date;
}

interface SecretTable {
  ref: string;
  kind: string;
  id: string;
  path: string;
  sealed: string;
}

interface ChangeTable {
  event_id: string;
  kind: string;
  id: string;
  version: number;
  name: string;
  by_user: string;
  at: Date;
}

interface ViewTable {
  hash: string;
  selector: JsonColumn<Selector>;
  opened_at: Date;
  filled_at: Date | null;
  generation: Generated<number>;
}

interface ViewKeyTable {
  hash: string;
  epoch: number;
  sealed: string;
}

interface ViewKeyHolderTable {
  hash: string;
  epoch: number;
  agent_id: string;
}

interface ViewGarbageTable {
  hash: string;
  generation: number;
  due: Date;
  purged_at: Date | null;
}

interface ViewReaderTable {
  hash: string;
  agent_id: string;
  last_seen: Date;
}

interface AgentRolesTable {
  agent_id: string;
  roles: JsonColumn<string[]>;
  joined_at: Date;
  revoked_at: Date | null;
}

interface WorkMemberTable {
  group_name: string;
  agent_id: string;
  slot_ms: number;
  seen_at: Date;
}

/** A task of a work group in a time slot. */
export interface WorkTaskTable {
  group_name: string;
  slot: Date;
  task: string;
  slot_ms: number;
  offered_by: string;
  state: 'offered' | 'taken' | 'done' | 'failed' | 'dropped';
  attempt: number;
  returned: number;
  holder: string | null;
  lease_until: Date | null;
  ack: string | null;
  ended_at: Date | null;
  reason: string | null;
  result: string | null;
}

interface DiscoveryVanishedTable {
  group_name: string;
  name: string;
  task: string;
  slot: Date;
  is_allowed: boolean;
  is_second: boolean;
}

/** The tables of resource-svc besides those of the event store. */
export interface ResourceDb {
  resource: ResourceTable;
  resource_gone: GoneTable;
  resource_change: ChangeTable;
  resource_secret: SecretTable;
  view: ViewTable;
  view_reader: ViewReaderTable;
  view_key: ViewKeyTable;
  view_key_holder: ViewKeyHolderTable;
  view_garbage: ViewGarbageTable;
  agent_roles: AgentRolesTable;
  work_member: WorkMemberTable;
  work_task: WorkTaskTable;
  discovery_vanished: DiscoveryVanishedTable;
}
