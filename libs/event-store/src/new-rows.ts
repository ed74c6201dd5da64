import type { Selectable } from 'kysely';
import { preparedSql } from './postgres.ts';

/** Rows to insert, by table. Each has all columns of its table: one that is absent would be null, whatever its default. */
export type NewRows<Db> = { readonly [T in keyof Db & string]?: readonly Selectable<Db[T]>[] };

/** The rows of a table as one parameter of a statement. */
export interface RowsOfTable {
  readonly table: string;
  readonly json: string;
}

/** A statement that ends by telling what of `ins` it inserted. */
export interface InsertStatement {
  readonly name: string;
  readonly sql: string;
  readonly parameters: number;
}

/** The tables that get rows, in one order, so that what is asked for in another is the same statement. */
export function rowsByTable<Db>(rows: NewRows<Db>): RowsOfTable[] {
  return Object.entries<readonly unknown[] | undefined>(rows)
    .filter(([, each]) => each !== undefined && each.length > 0)
    .map(([table, each]) => ({ table, json: JSON.stringify(each) }))
    .toSorted((one, other) => (one.table < other.table ? -1 : 1));
}

const known = new Map<string, string>();

/**
 * The statement that inserts into these tables as well, once it has inserted what is its own. Names of tables come from programs;
 * what is in the rows is a parameter and never SQL.
 */
export function withRows({ name, sql, parameters }: InsertStatement, tables: readonly string[]): string {
  const ownName = [name, ...tables].join('_');
  const before = known.get(ownName);
  if (before !== undefined) return before;
  const inserts = tables.map(
    (table, index) => `, ${table}_rows as (
  insert into ${table} select * from jsonb_populate_recordset(null::${table}, $${parameters + index + 1}::jsonb)
  where (select count(*) from ins) > 0
)`,
  );
  const end = sql.lastIndexOf('\nselect ');
  const text = preparedSql(ownName, sql.slice(0, end) + inserts.join('') + sql.slice(end));
  known.set(ownName, text);
  return text;
}
