import type { PublicResource, Selector } from '@postern/contracts';
import type { ColumnType } from 'kysely';

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

interface ViewTable {
  hash: string;
  selector: JsonColumn<Selector>;
  opened_at: Date;
  filled_at: Date | null;
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
}

/** The tables of resource-svc besides those of the event store. */
export interface ResourceDb {
  resource: ResourceTable;
  resource_gone: GoneTable;
  resource_secret: SecretTable;
  view: ViewTable;
  view_reader: ViewReaderTable;
  agent_roles: AgentRolesTable;
}
