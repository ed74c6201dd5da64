import type { EventMeta, StoredEvent } from '@postern/contracts';
import type { JsonObject } from '@postern/core';
import { CompiledQuery, type Kysely } from 'kysely';
import { preparedSql } from './postgres.ts';

/** An event and its allocation number in this store. */
export interface PositionedEvent {
  readonly position: number;
  readonly event: StoredEvent;
}

/** Columns of an event as every reader selects them. */
export const eventColumns = 'seq, event_id, stream_id, version, type, schema_version, data, meta, at';

/** A row of `es_event`. */
export interface EventRow {
  readonly seq: number;
  readonly event_id: string;
  readonly stream_id: string;
  readonly version: number;
  readonly type: string;
  readonly schema_version: number;
  readonly data: JsonObject;
  readonly meta: EventMeta;
  readonly at: Date;
}

const loadSql = preparedSql(
  'es_load',
  `select ${eventColumns} from es_event where stream_id = $1 and version > $2 order by version`,
);
const feedSql = preparedSql(
  'es_feed',
  `select ${eventColumns} from es_event where seq > $1 order by seq limit $2`,
);
const byIdSql = `select ${eventColumns} from es_event where event_id = any($1::uuid[]) order by seq`;

/** The events of one stream after a version, in order. */
export async function loadStream<Db>(db: Kysely<Db>, stream: string, after: number): Promise<StoredEvent[]> {
  return (await select(db, loadSql, [stream, after])).map(eventOf);
}

/** Events by allocation number. Commits may come late, so this is no way to follow the store, only to read what was. */
export async function readFeed<Db>(db: Kysely<Db>, after: number, limit: number): Promise<PositionedEvent[]> {
  return (await select(db, feedSql, [after, limit])).map((row) => ({
    position: row.seq,
    event: eventOf(row),
  }));
}

/** Those of these events that are recorded. */
export async function findEvents<Db>(db: Kysely<Db>, ids: readonly string[]): Promise<StoredEvent[]> {
  return (await select(db, byIdSql, [ids])).map(eventOf);
}

/** A row as the event everyone sees. */
export function eventOf(row: EventRow): StoredEvent {
  return {
    id: row.event_id,
    stream: row.stream_id,
    version: row.version,
    type: row.type,
    v: row.schema_version,
    data: row.data,
    meta: row.meta,
    at: row.at.toISOString(),
  };
}

async function select<Db>(db: Kysely<Db>, text: string, parameters: unknown[]): Promise<EventRow[]> {
  return (await db.executeQuery<EventRow>(CompiledQuery.raw(text, parameters))).rows;
}
