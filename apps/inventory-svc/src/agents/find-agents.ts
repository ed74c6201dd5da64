import type { AgentView } from '@postern/contracts';
import type { Kysely, Selectable } from 'kysely';
import type { AgentTable, InventoryDb } from '../database.ts';

/** Which agents to find. */
export interface AgentFilter {
  /** Agents that are offline and were not heard of since are forgotten. */
  readonly since: Date;
  readonly onlineOnly: boolean;
}

/** Where a page begins, behind an agent, and how many agents it has at most. */
export interface AgentPage {
  readonly after: string;
  readonly limit: number;
}

/** A page of the agents that are online or were lately, by id. */
export async function findAgents(
  db: Kysely<InventoryDb>,
  filter: AgentFilter,
  { after, limit }: AgentPage,
): Promise<AgentView[]> {
  const rows = await remembered(db, filter)
    .selectAll()
    .where('agent_id', '>', after)
    .orderBy('agent_id')
    .limit(limit)
    .execute();
  return rows.map(viewOf);
}

/** One agent, however long ago it was heard of. */
export async function findAgent(db: Kysely<InventoryDb>, agentId: string): Promise<AgentView | undefined> {
  const row = await db.selectFrom('agent').selectAll().where('agent_id', '=', agentId).executeTakeFirst();
  return row && viewOf(row);
}

/** The agents that a filter leaves, for a query to go on with. */
export function remembered(db: Kysely<InventoryDb>, { since, onlineOnly }: AgentFilter) {
  return db
    .selectFrom('agent')
    .where((where) =>
      onlineOnly
        ? where('presence', '=', 'online')
        : where.or([where('presence', '=', 'online'), where('last_seen', '>', since)]),
    );
}

function viewOf(row: Selectable<AgentTable>): AgentView {
  const { clock_offset_ms: clockOffsetMs, last_error: message, last_error_at: at, discovery } = row;
  return {
    agentId: row.agent_id,
    hostname: row.hostname,
    services: row.services,
    version: row.version,
    upgrader: '',
    presence: row.presence,
    lastSeen: row.last_seen.toISOString(),
    startedAt: row.started_at.toISOString(),
    ...(clockOffsetMs === null ? {} : { clockOffsetMs }),
    ...(message === null || at === null ? {} : { lastError: { at: at.toISOString(), message } }),
    ...(discovery === null ? {} : { discovery }),
  };
}
