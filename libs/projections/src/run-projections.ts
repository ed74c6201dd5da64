import { type Bus, type Consumption, type DurableMessage, eventStreamName } from '@postern/bus';
import type { StoredEvent } from '@postern/contracts';
import { failure } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import { sql, type Transaction } from 'kysely';
import { applyInline, type Projection } from './projection.ts';
import { rebuildChanged } from './rebuild.ts';

/** Projections that follow the bus. */
export interface RunOptions<Db> {
  readonly store: EventStore<Db>;
  readonly bus: Bus;
  readonly projections: readonly Projection<Db>[];
}

/** An event that is on the bus and not in the store: somebody else wrote to the JetStream stream. */
export const UnknownEvent = failure(
  'internal',
  'projections.unknown_event',
  (stream: string, version: number) => `event ${version} of ${stream} is not recorded`,
);

/**
 * Runs projections behind the bus, each by a durable consumer of the service's own event stream. Rows, the last applied
 * version of each aggregate and the checkpoint change in one transaction, so an event that is delivered twice changes nothing
 * the second time. One that was never delivered is read from the store. What is new or of another version is rebuilt first.
 */
export async function runProjections<Db>({
  store,
  bus,
  projections,
}: RunOptions<Db>): Promise<AsyncDisposable> {
  await rebuildChanged(store, projections, { isFollowing: true });
  const stream = eventStreamName(store.context);
  const running = projections.map((projection): Consumption =>
    bus.consumeBatches({
      stream,
      durable: `projection__${projection.name}_${projection.version}`,
      handler: (messages) =>
        store.transaction((trx) => applyBatch({ store, projection, trx }, stream, messages)),
    }),
  );
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

interface Applying<Db> {
  readonly store: EventStore<Db>;
  readonly projection: Projection<Db>;
  readonly trx: Transaction<Db>;
}

async function applyBatch<Db>(
  { store, projection, trx }: Applying<Db>,
  stream: string,
  messages: readonly DurableMessage[],
): Promise<void> {
  // One transaction of a projection at a time: replicas share the consumer, and the batches of two of them may be related.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`projection.${projection.name}`}, 0))`.execute(
    trx,
  );
  const events = messages.map((message) => message.event());
  const versions = await appliedVersions(trx, projection.name, events);
  for (const event of events) {
    const applied = versions.get(event.stream) ?? 0;
    if (event.version <= applied) continue;
    const isNext = event.version === applied + 1;
    await applyInline(projection, trx, isNext ? [event] : await missedEvents(store, event, applied));
    versions.set(event.stream, event.version);
  }
  await saveVersions(trx, projection.name, versions);
  await saveCheckpoint(trx, projection.name, { stream, last: messages.at(-1)! });
}

/** The events of a stream from the one after `applied` to this one. */
async function missedEvents<Db>(
  store: EventStore<Db>,
  event: StoredEvent,
  applied: number,
): Promise<StoredEvent[]> {
  const recorded = await store.load(event.stream, { after: applied });
  const missed = recorded.filter(({ version }) => version <= event.version);
  if (missed.at(-1)?.id !== event.id) throw UnknownEvent(event.stream, event.version);
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

async function saveCheckpoint<Db>(
  trx: Transaction<Db>,
  name: string,
  { stream, last }: { readonly stream: string; readonly last: DurableMessage },
): Promise<void> {
  await sql`insert into es_checkpoint (name, stream, js_created, js_seq)
    values (${name}, ${stream}, ${last.streamCreated}, ${last.sequence})
    on conflict (name) do update set js_created = excluded.js_created, js_seq = excluded.js_seq`.execute(trx);
}
