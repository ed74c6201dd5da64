import { type Insertable, type Kysely, type RawBuilder, sql } from 'kysely';

/** Where rows are written, and what names one. */
export interface RowsOf<Db, Table extends keyof Db & string> {
  readonly table: Table;
  /** Columns of its primary key. */
  readonly key: readonly (keyof Db[Table] & string)[];
}

/** Rows as JSON says them: columns of type `jsonb` take plain values, times are RFC 3339. */
export type RowValues<Row> = { readonly [Column in keyof Insertable<Row>]: unknown };

/**
 * Inserts rows, or replaces those that there are, in one statement however many they are. No two may have the same key. They go
 * over as one JSON text: making a parameter of each column costs several times what writing the row does.
 */
export async function putRows<Db, Table extends keyof Db & string>(
  db: Kysely<Db>,
  { table, key }: RowsOf<Db, Table>,
  rows: readonly RowValues<Db[Table]>[],
): Promise<void> {
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0]!);
  const others = columns.filter((column) => !(key as readonly string[]).includes(column));
  const changes = others.map((column) => sql`${sql.id(column)} = excluded.${sql.id(column)}`);
  await sql`insert into ${sql.id(table)} (${list(columns)}) select ${list(columns)} from ${rowsFrom(table, rows)}
    on conflict (${list(key)}) do update set ${sql.join(changes)}`.execute(db);
}

/** Inserts rows that are new, in one statement however many they are. */
export async function insertRows<Db, Table extends keyof Db & string>(
  db: Kysely<Db>,
  table: Table,
  rows: readonly RowValues<Db[Table]>[],
): Promise<void> {
  if (rows.length === 0) return;
  const columns = list(Object.keys(rows[0]!));
  await sql`insert into ${sql.id(table)} (${columns}) select ${columns} from ${rowsFrom(table, rows)}`.execute(
    db,
  );
}

/** Deletes the rows with these keys, in one statement however many they are. */
export async function deleteRows<Db, Table extends keyof Db & string>(
  db: Kysely<Db>,
  { table, key }: RowsOf<Db, Table>,
  keys: readonly object[],
): Promise<void> {
  if (keys.length === 0) return;
  const isSame = key.map((column) => sql`old.${sql.id(column)} = gone.${sql.id(column)}`);
  await sql`delete from ${sql.id(table)} old using ${rowsFrom(table, keys)} as gone
    where ${sql.join(isSame, sql` and `)}`.execute(db);
}

function rowsFrom(table: string, rows: readonly object[]): RawBuilder<unknown> {
  return sql`json_populate_recordset(null::${sql.id(table)}, ${JSON.stringify(rows)}::json)`;
}

function list(columns: readonly string[]): RawBuilder<unknown> {
  return sql.join(columns.map((column) => sql.id(column)));
}
