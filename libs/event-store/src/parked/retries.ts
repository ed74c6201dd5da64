import { type Kysely, sql } from 'kysely';
import { findParked } from './parked-table.ts';
import type { ParkedRow } from './parked-message.ts';

// Two versions that run beside each other and both fail must not hand it to and fro for ever.
const maxTriesByOtherPrograms = 10;
// Longer than a handler runs; after this the replica that took it is believed dead.
const claimSeconds = 60;

interface Claiming {
  readonly consumer: string;
  /** Version of this program. */
  readonly program: string;
}

/**
 * Takes the next message that is to be tried again, so that no other replica does: because a person asked, or because a program of
 * another version could not handle it and this one may. Of one aggregate only one is out at a time,
 * the oldest first.
 */
export async function claimRetry<Db>(
  db: Kysely<Db>,
  { consumer, program }: Claiming,
): Promise<ParkedRow | undefined> {
  const { rows } = await sql<{
    id: string;
  }>`update es_parked set claimed_until = now() + ${claimSeconds} * interval '1 second'
    where id = (
      select id from es_parked p
      where consumer = ${consumer} and is_whole and (claimed_until is null or claimed_until < now())
        and (retry_asked_at is not null or (program <> ${program} and tries < ${maxTriesByOtherPrograms}::int))
        and not exists (select 1 from es_parked q where q.consumer = p.consumer and q.aggregate = p.aggregate
          and p.aggregate <> '' and q.claimed_until >= now())
      order by js_seq limit 1 for update skip locked)
    returning id`.execute(db);
  return rows[0] && findParked(db, rows[0].id);
}

/** The message was handled after all. What waits behind it in its aggregate is tried next. */
export async function settleRetry<Db>(db: Kysely<Db>, { id, consumer, aggregate }: ParkedRow): Promise<void> {
  await sql`with gone as (delete from es_parked where id = ${id}::uuid)
    update es_parked set retry_asked_at = now()
    where consumer = ${consumer} and aggregate = ${aggregate} and aggregate <> '' and id <> ${id}::uuid`.execute(
    db,
  );
}

/** It failed again: the row tells how. */
export async function failRetry<Db>(
  db: Kysely<Db>,
  { id }: ParkedRow,
  { code, error, program }: { readonly code: string; readonly error: string; readonly program: string },
): Promise<void> {
  await sql`update es_parked set tries = tries + 1, retry_asked_at = null, claimed_until = null,
    error_code = ${code}, error = ${error.slice(0, 2000)}, program = ${program} where id = ${id}::uuid`.execute(
    db,
  );
}

/** What it needs is away: it stays asked for and is taken again later. */
export async function releaseRetry<Db>(db: Kysely<Db>, { id }: ParkedRow): Promise<void> {
  await sql`update es_parked set claimed_until = null where id = ${id}::uuid`.execute(db);
}
