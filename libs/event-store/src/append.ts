import type { EventMeta, NewEvent, StoredEvent } from '@postern/contracts';
import { currentCause, currentTraceparent } from '@postern/telemetry';
import { CompiledQuery, type Kysely } from 'kysely';
import { EventTooLarge, VersionGap } from './failures.ts';
import { type NewRows, type RowsOfTable, rowsByTable, withRows } from './new-rows.ts';

/** An event with its place: what is recorded when nobody else was there first. */
export interface AppendItem {
  /** `<aggregate>/<id>`. */
  readonly stream: string;
  /** The version this event gets: one more than the last recorded one. */
  readonly version: number;
  /** UUID. A retry of the same command derives the same one. */
  readonly id: string;
  readonly event: NewEvent;
  readonly meta?: EventMeta;
}

/**
 * One statement for any number of streams. The anti-join refuses a version without its predecessor, which would be a bug;
 * the unique constraints refuse the second writer of a version. The outbox row is written by the same statement.
 */
const appendMany = {
  name: 'es_append',
  sql: `with e as materialized (
  select * from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::int[], $6::jsonb[], $7::jsonb[], $8::timestamptz[])
    with ordinality as t(event_id, stream_id, version, type, schema_version, data, meta, at, ord)
), gap as (
  select 1 from e where e.version > 1
    and not exists (select 1 from e p where p.stream_id = e.stream_id and p.version = e.version - 1)
    and not exists (select 1 from es_event p where p.stream_id = e.stream_id and p.version = e.version - 1)
), ins as (
  insert into es_event (event_id, stream_id, version, type, schema_version, data, meta, at)
  select event_id, stream_id, version, type, schema_version, data, meta, at
  from e where not exists (select 1 from gap) order by ord
  returning seq
), ob as (insert into es_outbox (seq) select seq from ins)
select count(*)::int as n, max(seq) as last_seq from ins`,
  parameters: 8,
};

// Most appends are of one event, and a statement of its own for them records half as many again in the same time.
const appendOne = {
  name: 'es_append_one',
  sql: `with ins as (
  insert into es_event (event_id, stream_id, version, type, schema_version, data, meta, at)
  select $1::uuid, $2::text, $3::int, $4::text, $5::int, $6::jsonb, $7::jsonb, $8::timestamptz
  where $3::int = 1 or exists (select 1 from es_event where stream_id = $2::text and version = $3::int - 1)
  returning seq
), ob as (insert into es_outbox (seq) select seq from ins)
select count(*)::int as n, max(seq) as last_seq from ins`,
  parameters: 8,
};

// A NATS server takes messages of a mebibyte. Around the data are meta, ids and headers.
const maxDataBytes = 1_000_000;

/**
 * Inserts events as they are, and rows of other tables in the same statement; conflicts surface as `event_store.conflict`. Returns
 * the position of the last.
 */
export async function insertEvents<Db>(
  db: Kysely<Db>,
  events: readonly StoredEvent[],
  rows: NewRows<Db> = {},
): Promise<number> {
  const { rows: answered } = await db.executeQuery<{ n: number; last_seq: number }>(
    insertion(events.map(valuesOf), rowsByTable(rows)),
  );
  const row = answered[0]!;
  if (row.n === 0) throw VersionGap([...new Set(events.map((event) => event.stream))].slice(0, 5).join(', '));
  return row.last_seq;
}

function insertion(events: readonly unknown[][], rows: readonly RowsOfTable[]): CompiledQuery {
  const [only] = events;
  const isOne = only !== undefined && events.length === 1;
  const tables = rows.map(({ table }) => table);
  const sql = isOne ? withRows(appendOne, tables) : withRows(appendMany, tables);
  return CompiledQuery.raw(sql, [...(isOne ? only : columnsOf(events)), ...rows.map(({ json }) => json)]);
}

/** The values of an event's row, in the order of the columns in both statements. */
function valuesOf(event: StoredEvent): unknown[] {
  const { id, stream, version, type, v, meta, at } = event;
  return [id, stream, version, type, v, dataOf(event), JSON.stringify(meta), at];
}

function columnsOf(rows: readonly (readonly unknown[])[]): unknown[][] {
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column]));
}

/** An event that no message can carry would stop the relay, and with it every event behind it. */
function dataOf({ type, data }: StoredEvent): string {
  const text = JSON.stringify(data);
  if (Buffer.byteLength(text) > maxDataBytes) throw EventTooLarge(type, maxDataBytes);
  return text;
}

/** What will be read back of these items. Each tells the trace, the conversation and the event that led to it. */
export function storedEvents(items: readonly AppendItem[], at: Date): StoredEvent[] {
  const traceparent = currentTraceparent();
  const context = { ...(traceparent === undefined ? {} : { traceparent }), ...currentCause() };
  const time = at.toISOString();
  return items.map(({ stream, version, id, event, meta }) => ({
    id,
    stream,
    version,
    type: event.type,
    v: event.v,
    data: event.data,
    meta: { ...context, ...meta },
    at: time,
  }));
}
