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
}

export async function listViews(db: Db): Promise<ViewRow[]> {
  const rows = await db.selectFrom('view').select(['hash', 'selector', 'filled_at']).execute();
  return rows.map(({ hash, selector, filled_at }) => ({ hash, selector, isFilled: filled_at !== null }));
}

export async function findView(db: Db, hash: string): Promise<ViewRow | undefined> {
  const row = await db
    .selectFrom('view')
    .select(['hash', 'selector', 'filled_at'])
    .where('hash', '=', hash)
    .executeTakeFirst();
  return row && { hash: row.hash, selector: row.selector, isFilled: row.filled_at !== null };
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

/** Removes a view's row unless it is being read after all. */
export async function deleteUnread(
  trx: Transaction<ResourceDb>,
  hash: string,
  since: Date,
): Promise<boolean> {
  await trx.selectFrom('view').select('hash').where('hash', '=', hash).forUpdate().execute();
  const readers = trx
    .selectFrom('view_reader')
    .select('hash')
    .where('hash', '=', hash)
    .where('last_seen', '>=', since);
  const { numDeletedRows } = await trx
    .deleteFrom('view')
    .where('hash', '=', hash)
    .where(({ not, exists }) => not(exists(readers)))
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Selectors of the views an agent is reading. */
export async function selectorsRead(db: Db, agentId: string, since: Date): Promise<Selector[]> {
  const rows = await db
    .selectFrom('view')
    .innerJoin('view_reader', 'view_reader.hash', 'view.hash')
    .select('view.selector')
    .where('agent_id', '=', agentId)
    .where('last_seen', '>=', since)
    .execute();
  return rows.map(({ selector }) => selector);
}
