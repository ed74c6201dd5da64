import { type DurableMessage, projectionConsumer } from '@postern/bus';
import { eventTypeNamed, type StoredEvent, UnknownEvent } from '@postern/contracts';
import { failure } from '@postern/core';
import { type EventStore, parkedAmong, skippedAmong } from '@postern/event-store';
import { sql, type Transaction } from 'kysely';
import { lockProjection, rowsVersion } from './lock-projection.ts';
import { applyInline, type Projection } from './projection.ts';

/** An event that is on the bus and not in the store: somebody else wrote to the JetStream stream. */
export const UnrecordedEvent = failure(
  'internal',
  'projections.unrecorded_event',
  (stream: string, version: number) => `event ${version} of ${stream} is not recorded`,
);

/** An earlier event of the same aggregate is parked, and they are applied in order or not at all. */
export const AggregateBlocked = failure(
  'failed_precondition',
  'projections.aggregate_blocked',
  (stream: string) => `an earlier event of ${stream} is parked: retry or drop that one`,
);

/** A program of another version has rebuilt the rows: this one must not write to them any more. */
export const Superseded = failure(
  'unavailable',
  'projections.superseded',
  (name: string) => `the rows of ${name} are made by another version of the program now`,
);

/** What a batch is applied with, and where its messages come from. */
export interface Applying<Db> {
  readonly store: EventStore<Db>;
  readonly projection: Projection<Db>;
  readonly trx: Transaction<Db>;
}

/**
 * Applies messages to the rows, each aggregate's in order. Rows, versions and the checkpoint change in the caller's transaction:
 * an event that comes twice changes nothing, and one that never came is read from the store.
 */
export async function applyBatch<Db>(
  { store, projection, trx }: Applying<Db>,
  messages: readonly DurableMessage[],
): Promise<void> {
  const { name } = projection;
  await lockProjection(trx, name);
  if ((await rowsVersion(trx, name)) !== projection.version) throw Superseded(name);
  const events = messages.map((message) => knownEvent(message));
  const versions = await appliedVersions(trx, name, events);
  const due = dueRuns(events, versions);
  const all: StoredEvent[] = [];
  for (const run of due)
    all.push(
      ...(run.missed === undefined ? [run.event] : await missedEvents({ store, projection, trx }, run)),
    );
  const { durable } = projectionConsumer(store.context, name);
  const skipped = await skippedAmong(
    trx,
    durable,
    all.map((event) => event.id),
  );
  await applyInline(
    projection,
    trx,
    all.filter((event) => !skipped.has(event.id)),
  );
  for (const { stream, version } of all) versions.set(stream, version);
  await saveVersions(trx, name, versions);
  await saveCheckpoint(trx, name, messages.at(-1)!);
}

function knownEvent(message: DurableMessage): StoredEvent {
  const event = message.event();
  if (!eventTypeNamed(event.type)) throw UnknownEvent(event.type);
  return event;
}

interface Due {
  readonly event: StoredEvent;
  /** Version after which events of the stream were not delivered before this one. */
  readonly missed: number | undefined;
}

/** Those of the events that are not applied yet. */
function dueRuns(events: readonly StoredEvent[], applied: ReadonlyMap<string, number>): Due[] {
  const versions = new Map(applied);
  return events.flatMap((event) => {
    const last = versions.get(event.stream) ?? 0;
    if (event.version <= last) return [];
    versions.set(event.stream, event.version);
    return [{ event, missed: event.version === last + 1 ? undefined : last }];
  });
}

/** The events of a stream from the one after the last applied to this one. */
async function missedEvents<Db>(
  { store, projection: { name }, trx }: Applying<Db>,
  { event, missed: applied }: Due,
): Promise<StoredEvent[]> {
  const recorded = await store.load(event.stream, { after: applied ?? 0 });
  const missed = recorded.filter(({ version }) => version <= event.version);
  if (missed.at(-1)?.id !== event.id) throw UnrecordedEvent(event.stream, event.version);
  const before = missed.slice(0, -1).map(({ id }) => id);
  if ((await parkedAmong(trx, projectionConsumer(store.context, name).durable, before)).length > 0)
    throw AggregateBlocked(event.stream);
  return missed;
}

async function appliedVersions<Db>(
  trx: Transaction<Db>,
  projection: string,
  events: readonly StoredEvent[],
): Promise<Map<string, number>> {
  const streams = [...new Set(events.map((event) => event.stream))];
  const { rows } = await sql<{ stream_id: string; version: number }>`select stream_id, version from es_applied
    where projection = ${projection} and stream_id = any(${streams}::text[])`.execute(trx);
  return new Map(rows.map((row) => [row.stream_id, row.version]));
}

async function saveVersions<Db>(
  trx: Transaction<Db>,
  projection: string,
  versions: Map<string, number>,
): Promise<void> {
  await sql`insert into es_applied (projection, stream_id, version)
    select ${projection}, * from unnest(${[...versions.keys()]}::text[], ${[...versions.values()]}::int[])
    on conflict (projection, stream_id) do update set version = excluded.version`.execute(trx);
}

// Never backwards: a parked message that is tried again is an old one.
async function saveCheckpoint<Db>(trx: Transaction<Db>, name: string, last: DurableMessage): Promise<void> {
  const stream = `EVT_${last.subject.split('.')[1]?.toUpperCase()}`;
  await sql`insert into es_checkpoint (name, stream, js_created, js_seq)
    values (${name}, ${stream}, ${last.streamCreated}, ${last.sequence})
    on conflict (name) do update set js_created = excluded.js_created,
      js_seq = case when es_checkpoint.js_created = excluded.js_created
        then greatest(es_checkpoint.js_seq, excluded.js_seq) else excluded.js_seq end`.execute(trx);
}
