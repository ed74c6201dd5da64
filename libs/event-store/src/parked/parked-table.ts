import { createHash } from 'node:crypto';
import { derivedUuid } from '@postern/core';
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { ParkedMessage, ParkedRow } from './parked-message.ts';

/** Of a body, what is kept: a NATS server takes no more by default, and neither do we. */
export const maxBodyBytes = 1024 ** 2;

/** More parked messages of one consumer are no accident any more: it stops until somebody looked. */
export const maxParkedPerConsumer = 10_000;

const columns = columnsWith(sql`body`);

function columnsWith(body: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`id, consumer, stream, stream_created as "streamCreated", js_seq as "sequence", subject, headers, ${body},
  event_id as "eventId", aggregate, deliveries, error_code as code, error, is_whole as "isWhole", tries, at,
  retry_asked_at is not null as "isRetrying"`;
}

/** How many there may be already where one more is kept. */
export interface ParkedBounds {
  readonly ofConsumer: number;
  /** Of the subject of the message; without it as many as of the consumer. */
  readonly ofSubject?: number | undefined;
}

/** Keeps a message. The same one again only counts. False when there are too many already. */
export async function insertParked<Db>(
  db: Kysely<Db>,
  message: ParkedMessage,
  program: string,
  { ofConsumer, ofSubject = ofConsumer }: ParkedBounds = { ofConsumer: maxParkedPerConsumer },
): Promise<boolean> {
  const { consumer, stream, streamCreated, sequence, deliveries } = message;
  const body = Buffer.from(message.body.subarray(0, maxBodyBytes));
  const headers = JSON.stringify(
    Object.fromEntries(Object.entries(message.headers).map((entry) => entry.map(storable))),
  );
  const { numAffectedRows } =
    await sql`insert into es_parked (id, consumer, stream, stream_created, js_seq, subject,
      headers, body, is_whole, event_id, aggregate, deliveries, error_code, error, program)
    select ${parkedId(message)}::uuid, ${consumer}, ${stream}, ${streamCreated}, ${sequence}::bigint,
      ${storable(message.subject)}, ${headers}::jsonb, ${body}::bytea, ${message.body.length <= maxBodyBytes}::boolean,
      ${storable(message.eventId).slice(0, 200)}, ${storable(message.aggregate)}, ${deliveries}::int,
      ${message.code}, ${storable(message.error).slice(0, 2000)}, ${program}
    where (select count(*) < ${ofConsumer}::int
        and count(*) filter (where subject = ${storable(message.subject)}) < ${ofSubject}::int
        from es_parked where consumer = ${consumer})
      or exists (select 1 from es_parked where id = ${parkedId(message)}::uuid)
    on conflict (id) do update set deliveries = excluded.deliveries, error_code = excluded.error_code,
      error = excluded.error, program = excluded.program`.execute(db);
  return numAffectedRows === 1n;
}

/** Sequence numbers are used again after a JetStream stream lost its tail, so what the message holds counts too. */
function parkedId({ consumer, streamCreated, sequence, subject, eventId, body }: ParkedMessage): string {
  const digest = createHash('sha256').update(body).digest('hex');
  return derivedUuid('parked', consumer, streamCreated, String(sequence), subject, eventId, digest);
}

/** Text as Postgres takes it. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

/** The parked messages in the order of their consumers' streams, without their bodies: a list of them would fill the memory. */
export async function listParked<Db>(
  db: Kysely<Db>,
  { consumer, limit }: { readonly consumer?: string | undefined; readonly limit: number },
): Promise<ParkedRow[]> {
  const wanted = consumer === undefined ? sql`true` : sql`consumer = ${consumer}`;
  const { rows } =
    await sql<ParkedRow>`select ${columnsWith(sql`''::bytea as body`)} from es_parked where ${wanted}
    order by consumer, js_seq limit ${limit}::int`.execute(db);
  return rows;
}

/** One of them, locked when it is read in a transaction that asks for that. */
export async function findParked<Db>(
  db: Kysely<Db> | Transaction<Db>,
  id: string,
  { lock = false }: { readonly lock?: boolean } = {},
): Promise<ParkedRow | undefined> {
  const { rows } = await sql<ParkedRow>`select ${columns} from es_parked where id = ${id}::uuid
    ${lock ? sql`for update` : sql``}`.execute(db);
  return rows[0];
}

/** How many there are by consumer. */
export async function countParked<Db>(db: Kysely<Db>): Promise<Map<string, number>> {
  const { rows } = await sql<{ consumer: string; n: number }>`select consumer, count(*) as n from es_parked
    group by consumer`.execute(db);
  return new Map(rows.map(({ consumer, n }) => [consumer, n]));
}

/** Asks for another try. False when there is no such message, or not the whole of it. */
export async function askRetry<Db>(db: Kysely<Db>, id: string): Promise<boolean> {
  const { numAffectedRows } =
    await sql`update es_parked set retry_asked_at = now() where id = ${id}::uuid and is_whole`.execute(db);
  return numAffectedRows === 1n;
}

/** Asks for another try of everything a consumer has parked. */
export async function askRetryOfAll<Db>(db: Kysely<Db>, consumer: string): Promise<void> {
  await sql`update es_parked set retry_asked_at = now() where consumer = ${consumer} and is_whole`.execute(
    db,
  );
}

/** Those of these events that a consumer has parked. */
export async function parkedAmong<Db>(
  db: Kysely<Db>,
  consumer: string,
  eventIds: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ event_id: string }>`select event_id from es_parked
    where consumer = ${consumer} and event_id = any(${eventIds}::text[])`.execute(db);
  return rows.map((row) => row.event_id);
}
