import { failure } from '@postern/core';
import { type RawBuilder, sql, type Transaction } from 'kysely';

/** A table of a projection has something that a rebuild could not give to the table it makes. */
export const TableNotReplaceable = failure(
  'failed_precondition',
  'projections.table_not_replaceable',
  (table: string) =>
    `the table ${table} has triggers, foreign keys or row security, so its rows cannot be made again beside it: remove them`,
);

/** Another program migrated a table while it was being rebuilt. */
export const TableChanged = failure(
  'unavailable',
  'projections.table_changed',
  (table: string) => `the table ${table} was migrated while its rows were made again: rebuild again`,
);

/** The tables of a projection and the schema in which their rows are made again. */
export interface ShadowTables {
  readonly schema: string;
  readonly shadow: string;
  readonly tables: readonly string[];
}

/** Makes empty tables that are what the live ones are, in a schema of their own, in place of what an earlier try left. */
export async function createShadow<Db>(trx: Transaction<Db>, made: ShadowTables): Promise<void> {
  await dropShadow(trx, made);
  await sql`create schema ${sql.id(made.shadow)}`.execute(trx);
  for (const table of made.tables) await createTable(trx, made, table);
}

/** Drops the schema and whatever is in it. */
export async function dropShadow<Db>(trx: Transaction<Db>, { shadow }: ShadowTables): Promise<void> {
  await sql`drop schema if exists ${sql.id(shadow)} cascade`.execute(trx);
}

/**
 * Makes the other indexes when the rows are there, which takes a fraction of keeping them up with each; and statistics, without
 * which the first queries after the swap would be planned for empty tables.
 */
export async function indexShadow<Db>(trx: Transaction<Db>, made: ShadowTables): Promise<void> {
  await sql`select set_config('statement_timeout', '0', true)`.execute(trx);
  for (const table of made.tables) {
    for (const statement of await indexes(trx, made, table)) await sql.raw(statement).execute(trx);
    await sql`analyze ${sql.id(made.shadow, table)}`.execute(trx);
  }
}

/**
 * Puts the tables in place of the live ones. Copying a million rows would keep writers waiting for longer than they do wait. The
 * caller holds the live tables in access exclusive mode. Who reads in one snapshot over several statements would see the tables
 * empty, because their rows are newer than the snapshot: readers of projections use `read committed`.
 */
export async function swapShadow<Db>(trx: Transaction<Db>, made: ShadowTables): Promise<void> {
  const { schema, shadow, tables } = made;
  for (const table of tables) {
    await requireSameColumns(trx, made, table);
    await sql`drop table ${sql.id(schema, table)}`.execute(trx);
    await sql`alter table ${sql.id(shadow, table)} set schema ${sql.id(schema)}`.execute(trx);
  }
  await sql`drop schema ${sql.id(shadow)}`.execute(trx);
}

async function createTable<Db>(trx: Transaction<Db>, made: ShadowTables, table: string): Promise<void> {
  const [live, copy] = [sql.id(made.schema, table), sql.id(made.shadow, table)];
  await refuseUnreplaceable(trx, made, table);
  await sql`create table ${copy} (like ${live} including all excluding indexes)`.execute(trx);
  for (const statement of await definitions(trx, made, table)) await sql.raw(statement).execute(trx);
}

async function refuseUnreplaceable<Db>(
  trx: Transaction<Db>,
  { schema }: ShadowTables,
  table: string,
): Promise<void> {
  const { rows } = await sql<{
    refused: boolean;
  }>`select relhastriggers or relrowsecurity or relhasrules as refused
    from pg_class where oid = ${regclass(schema, table)}`.execute(trx);
  if (rows[0]?.refused !== false) throw TableNotReplaceable(table);
}

/** Indexes that are no keys: what a handler looks up by, it looks up by a key. */
async function indexes<Db>(
  trx: Transaction<Db>,
  { schema, shadow }: ShadowTables,
  table: string,
): Promise<string[]> {
  const { rows } = await sql<{ statement: string }>`
    select replace(pg_get_indexdef(indexrelid), format(' ON %I.%I ', ${schema}::text, ${table}::text),
        format(' ON %I.%I ', ${shadow}::text, ${table}::text)) as statement
      from pg_index where indrelid = ${regclass(schema, table)}
        and not exists (select 1 from pg_constraint where conindid = indexrelid)`.execute(trx);
  return rows.map(({ statement }) => statement);
}

/**
 * What `like` does not copy, or not under the same name: keys (errors are translated by the names of constraints), storage
 * parameters, privileges, the comment.
 */
async function definitions<Db>(
  trx: Transaction<Db>,
  { schema, shadow }: ShadowTables,
  table: string,
): Promise<string[]> {
  const live = regclass(schema, table);
  const { rows } = await sql<{ statement: string }>`
    select format('alter table %I.%I add constraint %I %s', ${shadow}::text, ${table}::text, conname, pg_get_constraintdef(oid)) as statement
      from pg_constraint where conrelid = ${live} and contype in ('p', 'u', 'x')
    union all
    select format('alter table %I.%I set (%s)', ${shadow}::text, ${table}::text, array_to_string(reloptions, ', '))
      from pg_class where oid = ${live} and reloptions is not null
    union all
    select format('grant %s on %I.%I to %s%s', privilege_type, ${shadow}::text, ${table}::text,
        case when grantee = 0 then 'public' else quote_ident(rolname) end, case when is_grantable then ' with grant option' else '' end)
      from pg_class, aclexplode(relacl) left join pg_roles on pg_roles.oid = grantee where pg_class.oid = ${live}
    union all
    select format('comment on table %I.%I is %L', ${shadow}::text, ${table}::text, comment)
      from obj_description(${live}, 'pg_class') comment where comment is not null`.execute(trx);
  return rows.map(({ statement }) => statement);
}

async function requireSameColumns<Db>(
  trx: Transaction<Db>,
  { schema, shadow }: ShadowTables,
  table: string,
): Promise<void> {
  const columnsOf = (
    of: string,
  ) => sql`select array_agg(format('%I %s', attname, atttypid::regtype) order by attname)
    from pg_attribute where attrelid = ${regclass(of, table)} and attnum > 0 and not attisdropped`;
  const { rows } = await sql<{
    same: boolean;
  }>`select (${columnsOf(schema)}) = (${columnsOf(shadow)}) as same`.execute(trx);
  if (!rows[0]?.same) throw TableChanged(table);
}

function regclass(schema: string, table: string): RawBuilder<unknown> {
  return sql`format('%I.%I', ${schema}::text, ${table}::text)::regclass`;
}
