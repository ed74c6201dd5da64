import { AgentJoined, AgentRenewed } from '@postern/contracts';
import { sql, type Kysely, type Transaction } from 'kysely';
import type { JoinDb } from '../database.ts';

/** How many joined processes there are, and how many go by the trust of this moment. */
export interface Followers {
  readonly total: number;
  readonly followed: number;
}

/** Counts those whose certificates have not ended. */
export async function countFollowers(db: Kysely<JoinDb>, revision: number, at: Date): Promise<Followers> {
  const row = await db
    .selectFrom('agent_key')
    .select(({ fn }) => [
      fn.countAll<string>().as('total'),
      sql<string>`count(*) filter (where trust_revision >= ${revision})`.as('followed'),
    ])
    .where('not_after', '>', at)
    .executeTakeFirstOrThrow();
  return { total: Number(row.total), followed: Number(row.followed) };
}

/** Notes that an agent goes by a revision of the trust. What it said before about a later one stays. */
export async function noteFollower(db: Kysely<JoinDb>, agentId: string, revision: number): Promise<void> {
  await db
    .updateTable('agent_key')
    .set({ trust_revision: revision })
    .where('agent_id', '=', agentId)
    .where('trust_revision', '<', revision)
    .execute();
}

/**
 * Has the bus refuse every agent whose certificate is of an authority that is trusted no more: what it shows there was issued
 * together with that certificate.
 */
export async function revokeLeftBehind(
  trx: Transaction<JoinDb>,
  retired: readonly string[],
  at: Date,
): Promise<void> {
  const types = [AgentJoined.type, AgentRenewed.type];
  await sql`insert into bus_revocation (bus_key, agent_id, ends_at)
    select data ->> 'busKey', min(agent_id), max((data ->> 'notAfter')::timestamptz)
    from agent_key join es_event on stream_id = 'agent/' || agent_id and type = any(${types})
    where issuer = any(${[...retired]}) and not_after > ${at}
      and data ->> 'busKey' is not null and (data ->> 'notAfter')::timestamptz > ${at}
    group by 1
    on conflict (bus_key) do update set ends_at = greatest(bus_revocation.ends_at, excluded.ends_at)`.execute(
    trx,
  );
}
