import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { countClusters } from './known-clusters.ts';
import type { ScanInHand } from './scan-delivery.ts';

/** A quarter of a group may go in a slot, and one cluster of any group. */
const share = 4;

/**
 * Whether a cluster that a complete scan has missed may be deleted. When more of a group than a quarter vanishes in one slot the
 * rest waits: a credential, a filter or AWS itself may be at fault. What the scan of the very next slot misses again goes.
 */
export async function mayVanish(db: Kysely<ResourceDb>, scan: ScanInHand, name: string): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const { group, slot, task } = scan;
    // Scans of a group in other regions count against the same share.
    await sql`select pg_advisory_xact_lock(hashtextextended(${`discovery ${group}`}, 0))`.execute(trx);
    const before = await trx
      .selectFrom('discovery_vanished')
      .selectAll()
      .where('group_name', '=', group)
      .where('name', '=', name)
      .executeTakeFirst();
    // Another attempt at the same scan is no second one.
    if (before?.task === task && before.slot.getTime() === slot.getTime()) return before.is_allowed;
    const isSecond = before?.task === task && slot.getTime() - before.slot.getTime() === scan.slotMs;
    const isAllowed = isSecond || (await isWithinShare(trx, scan));
    const columns = { task, slot, is_allowed: isAllowed, is_second: isSecond };
    await trx
      .insertInto('discovery_vanished')
      .values({ group_name: group, name, ...columns })
      .onConflict((conflict) => conflict.columns(['group_name', 'name']).doUpdateSet(columns))
      .execute();
    await forgetOld(trx, group);
    return isAllowed;
  });
}

async function isWithinShare(db: Kysely<ResourceDb>, { group, slot }: ScanInHand): Promise<boolean> {
  const { count } = await db
    .selectFrom('discovery_vanished')
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .where('group_name', '=', group)
    .where('slot', '=', slot)
    .where('is_allowed', '=', true)
    .where('is_second', '=', false)
    .executeTakeFirstOrThrow();
  const gone = Number(count);
  return gone < Math.max(1, Math.floor(((await countClusters(db, group)) + gone) / share));
}

async function forgetOld(db: Kysely<ResourceDb>, group: string): Promise<void> {
  await db
    .deleteFrom('discovery_vanished')
    .where('group_name', '=', group)
    .where('slot', '<', sql<Date>`clock_timestamp() - interval '3 days'`)
    .execute();
}
