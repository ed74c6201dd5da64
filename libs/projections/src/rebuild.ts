import { failure } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import { sql, type Transaction } from 'kysely';
import { rowsVersion } from './lock-projection.ts';
import type { Projection } from './projection.ts';
import { besideLive, type ReplayOptions, shadowTables } from './rebuild/beside.ts';
import { dropShadow, type ShadowTables, swapShadow } from './rebuild/shadow-tables.ts';

/** The rows were made by a newer program: this one would make fewer of them. */
export const RowsAreNewer = failure(
  'failed_precondition',
  'projections.rows_are_newer',
  (name: string, version: number) =>
    `the rows of ${name} were made by a newer program, version ${version} of the projection: rebuild with that one`,
);

/** A row that only one side has. */
export interface RowDifference {
  readonly table: string;
  /** Whose row it is: the live tables', or the rebuilt ones'. */
  readonly side: 'live' | 'rebuilt';
  readonly row: unknown;
}

/** How the projection goes on afterwards, and who hears of it. */
export interface RebuildOptions extends ReplayOptions {
  /** True when it follows the bus: then it is noted which version of each stream the rows include. */
  readonly isFollowing?: boolean;
}

/**
 * Makes the rows of a projection again from every recorded event, beside the live ones, and then puts them in their place in one
 * transaction. Ended half way, or by its signal, it leaves the live rows as they are.
 */
export async function rebuild<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  options: RebuildOptions = {},
): Promise<void> {
  await exclusively(store, projection, async () => {
    const version = await rowsVersion(store.db, projection.name);
    if (version !== undefined && version > projection.version) throw RowsAreNewer(projection.name, version);
    await rebuildNow(store, projection, options);
  });
}

/**
 * Rebuilds the projections whose rows were made by an older version of the program, and names them. Rows of a newer one are left:
 * this is an old replica that started once more while another is being rolled out.
 */
export async function rebuildChanged<Db>(
  store: EventStore<Db>,
  projections: readonly Projection<Db>[],
  options: RebuildOptions = {},
): Promise<string[]> {
  const rebuilt: string[] = [];
  for (const projection of projections) {
    await exclusively(store, projection, async () => {
      if (((await rowsVersion(store.db, projection.name)) ?? 0) >= projection.version) return;
      await rebuildNow(store, projection, options);
      rebuilt.push(projection.name);
    });
  }
  return rebuilt;
}

/** The rows that a rebuild would change. None means that the projection equals its events. Nothing is kept. */
export async function compareWithRebuild<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
): Promise<RowDifference[]> {
  let differences: RowDifference[] = [];
  await exclusively(store, projection, async () => {
    differences = await besideLive(
      store,
      projection,
      {},
      {
        excludes: 'writers',
        run: (trx, tables) => compareTables(trx, tables),
      },
    );
  });
  return differences;
}

async function rebuildNow<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  options: RebuildOptions,
): Promise<void> {
  await besideLive(store, projection, options, {
    excludes: 'everybody',
    async run(trx, tables) {
      await swapShadow(trx, tables);
      await recordVersion(trx, projection);
      if (options.isFollowing) await recordApplied(trx, projection);
    },
  });
}

/** Lets one replica at a time work on the shadow tables of a projection. */
async function exclusively<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  work: () => Promise<void>,
): Promise<void> {
  const { shadow } = shadowTables(store, projection);
  await store.db.transaction().execute(async (trx) => {
    await sql`select set_config('idle_in_transaction_session_timeout', '0', true)`.execute(trx);
    await sql`select set_config('statement_timeout', '0', true)`.execute(trx);
    await sql`select pg_advisory_xact_lock(hashtextextended(${shadow}, 0))`.execute(trx);
    await work();
  });
}

async function compareTables<Db>(trx: Transaction<Db>, shadow: ShadowTables): Promise<RowDifference[]> {
  const differences: RowDifference[] = [];
  for (const table of shadow.tables) differences.push(...(await compareTable(trx, shadow, table)));
  await dropShadow(trx, shadow);
  return differences;
}

async function compareTable<Db>(
  trx: Transaction<Db>,
  { schema, shadow }: ShadowTables,
  table: string,
): Promise<RowDifference[]> {
  const one = (side: 'live' | 'rebuilt', from: unknown, other: unknown) =>
    sql<RowDifference>`select ${table}::text as "table", ${side}::text as side, to_jsonb(d) as row
      from (select * from ${from} except all select * from ${other}) d`.execute(trx);
  const [live, rebuilt] = [sql.id(schema, table), sql.id(shadow, table)];
  return [...(await one('live', live, rebuilt)).rows, ...(await one('rebuilt', rebuilt, live)).rows];
}

async function recordApplied<Db>(trx: Transaction<Db>, { name }: Projection<Db>): Promise<void> {
  await sql`insert into es_applied (projection, stream_id, version)
    select ${name}, stream_id, max(version) from es_event group by stream_id
    on conflict (projection, stream_id) do update set version = excluded.version`.execute(trx);
}

async function recordVersion<Db>(trx: Transaction<Db>, { name, version }: Projection<Db>): Promise<void> {
  await sql`insert into es_projection (name, version) values (${name}, ${version})
    on conflict (name) do update set version = excluded.version`.execute(trx);
}
