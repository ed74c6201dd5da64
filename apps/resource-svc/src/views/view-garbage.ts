import { type Bus, purgeView } from '@postern/bus';
import type { ViewPlace } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';

type Db = Kysely<ResourceDb>;

/** How long a generation that was given up stays: readers that were told of the next have long switched. */
export const garbageAfterMs = 10 * 60_000;

/** How long a purge is repeated after crashes of the bus: what it lost of its file it had written before that. */
const repeatMs = 86_400_000;

/** A number for a view that is opened or written anew. None is given twice. */
export async function nextGeneration(db: Db): Promise<number> {
  const query = sql<{ generation: number }>`select nextval('view_generation')::integer as generation`;
  return (await query.execute(db)).rows[0]!.generation;
}

/** Notes that a generation is not wanted after a time. */
export async function addGarbage(db: Db, { hash, generation }: ViewPlace, due: Date): Promise<void> {
  await db
    .insertInto('view_garbage')
    .values({ hash, generation, due, purged_at: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Makes a view that was written anew be read in its new generation. False when it was closed or moved meanwhile. */
export async function moveView(
  db: Db,
  { from, generation, due }: { from: ViewPlace; generation: number; due: Date },
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('view')
      .set({ generation })
      .where('hash', '=', from.hash)
      .where('generation', '=', from.generation)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    await addGarbage(trx, from, due);
    await trx
      .deleteFrom('view_garbage')
      .where('hash', '=', from.hash)
      .where('generation', '=', generation)
      .execute();
    return true;
  });
}

/** Purges what is due from the bus. */
export async function purgeGarbage({ db, bus }: { db: Db; bus: Bus }, now: Date): Promise<void> {
  const due = await db
    .selectFrom('view_garbage')
    .select(['hash', 'generation'])
    .where('due', '<=', now)
    .where('purged_at', 'is', null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('view')
            .select('view.hash')
            .whereRef('view.hash', '=', 'view_garbage.hash')
            .whereRef('view.generation', '=', 'view_garbage.generation'),
        ),
      ),
    )
    .limit(100)
    .execute();
  for (const { hash, generation } of due) {
    await purgeView(bus, { hash, generation });
    await db
      .updateTable('view_garbage')
      .set({ purged_at: now })
      .where('hash', '=', hash)
      .where('generation', '=', generation)
      .execute();
  }
}

/** After a crash of the bus: what was purged lately may be back. */
export async function repeatPurges(db: Db, now: Date): Promise<void> {
  const old = new Date(now.getTime() - repeatMs);
  await db.deleteFrom('view_garbage').where('purged_at', '<', old).execute();
  await db.updateTable('view_garbage').set({ purged_at: null }).execute();
}
