import type { AgentView } from '@postern/contracts';
import type { Kysely } from 'kysely';
import type { InventoryDb } from '../database.ts';

/** Which agents to find. */
export interface AgentFilter {
  /** Agents that are offline and were not heard of since are forgotten. */
  readonly since: Date;
  readonly onlineOnly: boolean;
}

/** The agents that are online or were lately, by host name. */
export async function findAgents(
  db: Kysely<InventoryDb>,
  { since, onlineOnly }: AgentFilter,
): Promise<AgentView[]> {
  const query = db
    .selectFrom('agent')
    .select(['agent_id', 'hostname', 'services', 'version', 'presence', 'last_seen'])
    .where((where) =>
      onlineOnly
        ? where('presence', '=', 'online')
        : where.or([where('presence', '=', 'online'), where('last_seen', '>', since)]),
    )
    .orderBy('hostname')
    .orderBy('agent_id');
  return (await query.execute()).map((row) => ({
    agentId: row.agent_id,
    hostname: row.hostname,
    services: row.services,
    version: row.version,
    upgrader: '',
    presence: row.presence,
    lastSeen: row.last_seen.toISOString(),
  }));
}
