import { type Kysely, sql, type Transaction } from 'kysely';

/**
 * Lets one transaction at a time change the rows of a projection: the replicas of a service share its consumer, and the batches
 * of two of them may be related. Whoever takes it takes it first, before any row.
 */
export async function lockProjection<Db>(trx: Transaction<Db>, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`projection.${name}`}, 0))`.execute(trx);
}

/** The version of the program that made the rows, as this transaction sees it. */
export async function rowsVersion<Db>(db: Kysely<Db>, name: string): Promise<number | undefined> {
  const { rows } = await sql<{
    version: number;
  }>`select version from es_projection where name = ${name}`.execute(db);
  return rows[0]?.version;
}
