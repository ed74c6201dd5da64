import type { StoredEvent } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import { eventColumns, eventOf, type EventRow } from './read.ts';

/** Which part of the recorded events to read. */
export interface PageRange {
  /** The store's own schema: a replay works on tables of another one. */
  readonly schema: string;
  /** Allocation number after which the page begins. */
  readonly after: number;
  /** Allocation number of the last event that may be in it. */
  readonly until: number;
  /** Events of other types are passed over in Postgres. */
  readonly types: readonly string[];
}

/** A page of recorded events. */
export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** Allocation number of the last event of the page, also where its type is passed over. */
  readonly last: number;
}

const maxEvents = 5000;
// As Postgres stores them, which is compressed where they are large.
const maxBytes = 8 * 1024 * 1024;

/** The next page of events by allocation number, bounded in number and in size; undefined when there is none. */
export async function readPage<Db>(db: Kysely<Db>, range: PageRange): Promise<EventPage | undefined> {
  const last = await lastOfPage(db, range);
  if (last === undefined) return undefined;
  const { schema, after, types } = range;
  const { rows } = await sql<EventRow>`select ${sql.raw(eventColumns)} from ${sql.id(schema, 'es_event')}
    where seq > ${after} and seq <= ${last} and type = any(${types}::text[]) order by seq`.execute(db);
  return { events: rows.map(eventOf), last };
}

async function lastOfPage<Db>(
  db: Kysely<Db>,
  { schema, after, until }: PageRange,
): Promise<number | undefined> {
  const { rows } = await sql<{ last: number | null }>`select max(seq) as last from (
      select seq, sum(bytes) over (order by seq) - bytes as before from (
        select seq, pg_column_size(data) as bytes from ${sql.id(schema, 'es_event')}
          where seq > ${after} and seq <= ${until} order by seq limit ${maxEvents}
      ) page
    ) sized where before < ${maxBytes}`.execute(db);
  return rows[0]?.last ?? undefined;
}
