import type { Selector } from '@postern/contracts';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { ResourceDb } from '../database.ts';

type Db = Kysely<ResourceDb>;

/** A view nobody read for this long is closed. */
export const viewLeaseMs = 10 * 60_000;

/** A lease that is younger than this is not written again. */
const renewAfterMs = 20_000;

export interface ViewRow {
  readonly hash: string;
  readonly selector: Selector;
  readonly isFilled: boolean;
  readonly generation: number;
}

const columns = ['hash', 'selector', 'filled_at', 'generation'] as const;

export async function listViews(db: Db): Promise<ViewRow[]> {
  return (await db.selectFrom('view').select(columns).execute()).map(rowOf);
}

export async function findView(db: Db, hash: string): Promise<ViewRow | undefined> {
  const row = await db.selectFrom('view').select(columns).where('hash', '=', hash).executeTakeFirst();
  return row && rowOf(row);
}

interface NewView {
  readonly hash: string;
  readonly selector: Selector;
  readonly now: Date;
}

export async function insertView(db: Db, { hash, selector, now }: NewView): Promise<void> {
  await db
    .insertInto('view')
    .values({ hash, selector: JSON.stringify(selector), opened_at: now, filled_at: null })
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .execute();
}

export async function markFilled(db: Db, hash: string, now: Date): Promise<void> {
  await db.updateTable('view').set({ filled_at: now }).where('hash', '=', hash).execute();
}

/** Says that no view is known to be whole: whoever reads one waits until it was compared again. */
export async function markAllUnfilled(db: Db): Promise<void> {
  await db.updateTable('view').set({ filled_at: null }).execute();
}

/**
 * Notes that an agent reads a view. False when the view is closed: the lock on its row makes this wait for somebody who is
 * closing it, so that no lease is taken on a view that is about to go.
 */
export async function renewLease(
  db: Db,
  lease: { hash: string; agentId: string; now: Date },
): Promise<boolean> {
  const { hash, agentId, now } = lease;
  const fresh = new Date(now.getTime() - renewAfterMs);
  const known = await db
    .selectFrom('view_reader')
    .select('hash')
    .where('hash', '=', hash)
    .where('agent_id', '=', agentId)
    .where('last_seen', '>', fresh)
    .executeTakeFirst();
  if (known) return true;
  const { numAffectedRows } = await sql`
    with open_view as (select hash from view where hash = ${hash} for key share)
    insert into view_reader (hash, agent_id, last_seen) select hash, ${agentId}, ${now}::timestamptz from open_view
    on conflict (hash, agent_id) do update set last_seen = excluded.last_seen`.execute(db);
  return numAffectedRows === 1n;
}

/** Whether the agent has read the view lately, as far as it may. */
export async function hasLease(
  db: Db,
  { hash, agentId, since }: { hash: string; agentId: string; since: Date },
): Promise<boolean> {
  const lease = await db
    .selectFrom('view_reader')
    .select('hash')
    .where('hash', '=', hash)
    .where('agent_id', '=', agentId)
    .where('last_seen', '>=', since)
    .executeTakeFirst();
  return lease !== undefined;
}

/** Ends every lease of an agent that may read nothing any more. */
export async function endLeases(db: Db, agentId: string): Promise<void> {
  await db.deleteFrom('view_reader').where('agent_id', '=', agentId).execute();
}

/** Hashes of views that nobody has read since a time. */
export async function unreadViews(db: Db, since: Date): Promise<string[]> {
  const rows = await db
    .selectFrom('view')
    .select('hash')
    .where('opened_at', '<', since)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('view_reader')
            .select('hash')
            .whereRef('view_reader.hash', '=', 'view.hash')
            .where('last_seen', '>=', since),
        ),
      ),
    )
    .execute();
  return rows.map(({ hash }) => hash);
}

/** Removes a view's row unless it is being read after all, and answers the generation that nobody needs any more. */
export async function deleteUnread(
  trx: Transaction<ResourceDb>,
  hash: string,
  since: Date,
): Promise<number | undefined> {
  await trx.selectFrom('view').select('hash').where('hash', '=', hash).forUpdate().execute();
  const readers = trx
    .selectFrom('view_reader')
    .select('hash')
    .where('hash', '=', hash)
    .where('last_seen', '>=', since);
  const deleted = await trx
    .deleteFrom('view')
    .where('hash', '=', hash)
    .where(({ not, exists }) => not(exists(readers)))
    .returning('generation')
    .executeTakeFirst();
  return deleted?.generation;
}

function rowOf(row: {
  hash: string;
  selector: Selector;
  filled_at: Date | null;
  generation: number;
}): ViewRow {
  const { hash, selector, filled_at, generation } = row;
  return { hash, selector, isFilled: filled_at !== null, generation };
}
