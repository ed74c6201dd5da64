import { type Kysely, sql } from 'kysely';
import type { LockedAgents } from '@postern/policy';
import type { JoinDb } from '../database.ts';
import type { BusKey } from './agent.ts';

/**
 * A changed account must fit into a message to the bus, so more keys than these are not told. Edges, through which agents reach the bus
 * from outside, stop every locked agent by its certificate.
 */
const maxKeys = 5_000;

/** Ids of the agents that joined by a token, in order, from behind `after` on. */
export async function agentsOfToken(
  db: Kysely<JoinDb>,
  tokenId: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  // The type is written out, since the index is of this type only.
  const { rows } = await sql<{ id: string }>`select substr(stream_id, 7) as id from es_event
    where type = 'AgentJoined' and data->>'tokenId' = ${tokenId} and stream_id > ${`agent/${after}`}
    order by stream_id limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * The bus users of locked agents whose credentials have not ended at a time. Those of the control plane are left out: it is they who
 * tell of locks, and of their end.
 */
export async function lockedBusKeys(
  db: Kysely<JoinDb>,
  { agentIds, tokenIds }: LockedAgents,
  at: Date,
): Promise<BusKey[]> {
  if (agentIds.length === 0 && tokenIds.length === 0) return [];
  const streams = agentIds.map((id) => `agent/${id}`);
  const { rows } = await sql<BusKey>`
    select fact.data->>'busKey' as key, fact.data->>'notAfter' as "notAfter"
    from es_event as joined join es_event as fact on fact.stream_id = joined.stream_id
    where joined.type = 'AgentJoined'
      and (joined.stream_id = any(${streams}::text[]) or joined.data->>'tokenId' = any(${[...tokenIds]}::text[]))
      and not (joined.data->'roles' ?| array['Auth', 'Proxy'])
      and fact.type in ('AgentJoined', 'AgentRenewed')
      and fact.data->>'busKey' is not null and fact.data->>'notAfter' > ${at.toISOString()}
    order by fact.seq desc limit ${maxKeys}`.execute(db);
  return rows;
}
