import type { EventStore } from '@postern/event-store';
import { type Kysely, sql, type Transaction } from 'kysely';
import { applyInline, type Projection } from './projection.ts';

/** A row that only one side has. */
export interface RowDifference {
  readonly table: string;
  /** Whose row it is: the live tables', or the rebuilt ones'. */
  readonly side: 'live' | 'rebuilt';
  readonly row: unknown;
}

const pageSize = 1000;
const everything = Number.MAX_SAFE_INTEGER;

/** How the projection goes on afterwards. */
export interface RebuildOptions {
  /** True when it follows the bus: then it is noted which version of each stream the rows include. */
  readonly isFollowing?: boolean;
}

/**
 * Makes the rows of a projection again from every recorded event, beside the live ones, and then replaces those in one
 * transaction. Writers wait only for that last step, which also applies what was recorded meanwhile.
 */
export async function rebuild<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  options: RebuildOptions = {},
): Promise<void> {
  await exclusively(store, projection, () => rebuildNow(store, projection, options));
}

/** Rebuilds the projections whose rows were made by another version of the program, and names them. */
export async function rebuildChanged<Db>(
  store: EventStore<Db>,
  projections: readonly Projection<Db>[],
  options: RebuildOptions = {},
): Promise<string[]> {
  const rebuilt: string[] = [];
  for (const projection of projections) {
    await exclusively(store, projection, async () => {
      if ((await recordedVersion(store, projection)) === projection.version) return;
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
  const shadow = shadowSchema(store, projection);
  return store.db.transaction().execute(async (trx) => {
    await lockShadow(trx, shadow);
    await refuseAppends(trx);
    await createShadow(trx, projection, shadow);
    await replay({ store, projection, shadow, trx }, 0);
    const differences: RowDifference[] = [];
    for (const table of projection.tables) differences.push(...(await compareTable(trx, table, shadow)));
    await sql`drop schema ${sql.id(shadow)} cascade`.execute(trx);
    return differences;
  });
}

async function rebuildNow<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  { isFollowing = false }: RebuildOptions,
): Promise<void> {
  const shadow = shadowSchema(store, projection);
  const inTransaction = store.db.transaction();
  await inTransaction.execute((trx) => createShadow(trx, projection, shadow));
  const horizon = await committedHorizon(store);
  let position = 0;
  while (position < horizon) {
    const after = position;
    position = await inTransaction.execute((trx) =>
      replayPage({ store, projection, shadow, trx }, after, horizon),
    );
  }
  await inTransaction.execute(async (trx) => {
    await refuseAppends(trx);
    await replay({ store, projection, shadow, trx }, position);
    for (const table of projection.tables) await replaceRows(trx, table, shadow);
    await sql`drop schema ${sql.id(shadow)} cascade`.execute(trx);
    await recordVersion(trx, projection);
    if (isFollowing) await recordApplied(trx, projection);
  });
}

/** Lets one replica at a time work on the shadow tables of a projection. */
async function exclusively<Db>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  work: () => Promise<void>,
): Promise<void> {
  await store.db.transaction().execute(async (trx) => {
    await lockShadow(trx, shadowSchema(store, projection));
    await work();
  });
}

async function lockShadow<Db>(trx: Transaction<Db>, shadow: string): Promise<void> {
  await sql`select set_config('idle_in_transaction_session_timeout', '0', true)`.execute(trx);
  await sql`select set_config('statement_timeout', '0', true)`.execute(trx);
  await sql`select pg_advisory_xact_lock(hashtextextended(${shadow}, 0))`.execute(trx);
}

interface Replay<Db> {
  readonly store: EventStore<Db>;
  readonly projection: Projection<Db>;
  readonly shadow: string;
  readonly trx: Transaction<Db>;
}

async function replay<Db>(replaying: Replay<Db>, after: number): Promise<void> {
  for (let position = after; position < everything;)
    position = await replayPage(replaying, position, everything);
}

/** Applies a page of events to the shadow tables. Returns the last position, or `until` when there is none left before it. */
async function replayPage<Db>(
  { store, projection, shadow, trx }: Replay<Db>,
  after: number,
  until: number,
): Promise<number> {
  const page = await store.feed({ after, limit: pageSize, trx });
  const events = page.filter(({ position }) => position <= until);
  // Handlers name their tables without a schema, so the path decides which ones they mean.
  await setPath(trx, shadow, schemaOf(store));
  await applyInline(
    projection,
    trx,
    events.map(({ event }) => event),
  );
  await setPath(trx, schemaOf(store));
  const isLast = page.length < pageSize || events.length < page.length;
  return isLast ? until : events.at(-1)!.position;
}

async function setPath<Db>(trx: Transaction<Db>, ...schemas: string[]): Promise<void> {
  const path = schemas.map((schema) => `"${schema}"`).join(', ');
  await sql`select set_config('search_path', ${path}, true)`.execute(trx);
}

async function createShadow<Db>(
  trx: Transaction<Db>,
  { tables }: Projection<Db>,
  shadow: string,
): Promise<void> {
  await sql`drop schema if exists ${sql.id(shadow)} cascade`.execute(trx);
  await sql`create schema ${sql.id(shadow)}`.execute(trx);
  for (const table of tables) {
    await sql`create table ${sql.id(shadow, table)} (like ${sql.id(table)} including all)`.execute(trx);
  }
}

/** Up to here nothing can be committed any more: whoever got a lower number has ended. */
async function committedHorizon<Db>(store: EventStore<Db>): Promise<number> {
  return store.db.transaction().execute(async (trx) => {
    await refuseAppends(trx);
    const { rows } = await sql<{ last: number | null }>`select max(seq) as last from es_event`.execute(trx);
    return rows[0]?.last ?? 0;
  });
}

async function refuseAppends<Db>(trx: Transaction<Db>): Promise<void> {
  await sql`select set_config('statement_timeout', '0', true)`.execute(trx);
  await sql`lock table es_event in share row exclusive mode`.execute(trx);
}

// Rows move, not tables: constraints keep their names, which errors are translated by.
async function replaceRows<Db>(trx: Transaction<Db>, table: string, shadow: string): Promise<void> {
  const columns = await writableColumns(trx, shadow, table);
  await sql`delete from ${sql.id(table)}`.execute(trx);
  await sql`insert into ${sql.id(table)} (${columns}) overriding system value
    select ${columns} from ${sql.id(shadow, table)}`.execute(trx);
}

async function compareTable<Db>(
  trx: Transaction<Db>,
  table: string,
  shadow: string,
): Promise<RowDifference[]> {
  const one = (side: 'live' | 'rebuilt', from: unknown, other: unknown) =>
    sql<RowDifference>`select ${table}::text as "table", ${side}::text as side, to_jsonb(d) as row
      from (select * from ${from} except all select * from ${other}) d`.execute(trx);
  const [live, rebuilt] = [sql.id(table), sql.id(shadow, table)];
  return [...(await one('live', live, rebuilt)).rows, ...(await one('rebuilt', rebuilt, live)).rows];
}

async function writableColumns<Db>(db: Kysely<Db>, schema: string, table: string) {
  const { rows } = await sql<{ name: string }>`select column_name as name from information_schema.columns
    where table_schema = ${schema} and table_name = ${table} and is_generated = 'NEVER'
    order by ordinal_position`.execute(db);
  return sql.join(rows.map(({ name }) => sql.id(name)));
}

async function recordedVersion<Db>(
  store: EventStore<Db>,
  { name }: Projection<Db>,
): Promise<number | undefined> {
  const { rows } = await sql<{
    version: number;
  }>`select version from es_projection where name = ${name}`.execute(store.db);
  return rows[0]?.version;
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

function schemaOf<Db>(store: EventStore<Db>): string {
  return store.postgres.schema;
}

function shadowSchema<Db>(store: EventStore<Db>, { name }: Projection<Db>): string {
  return `${schemaOf(store)}_rebuild_${name}`;
}
