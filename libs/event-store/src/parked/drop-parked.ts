import { ParkedMessageDropped } from '@postern/contracts';
import { isUuid } from '@postern/core';
import { sql } from 'kysely';
import { eventIdOf } from '../handle.ts';
import type { EventStore } from '../event-store.ts';
import { findParked } from './parked-table.ts';
import { NotParked } from './parking.ts';

/** Who drops a message and why. */
export interface Dropping {
  readonly id: string;
  readonly reason: string;
  /** SPIFFE id of the person. */
  readonly actor: string;
  /** The same for every retry of the request. */
  readonly commandId: string;
}

/**
 * Takes a parked message away for good. That it was there, what was wrong with it, who dropped it and why is recorded in the
 * same transaction; a projection goes on without the event, and so does its rebuild.
 */
export async function dropParked<Db>(
  store: EventStore<Db>,
  { id, reason, actor, commandId }: Dropping,
): Promise<void> {
  const stream = `parked_message/${id}`;
  const eventId = eventIdOf(commandId, 0);
  const before = await store.load(stream);
  if (before.some((event) => event.id === eventId)) return;
  await store.transaction(async (trx) => {
    const row = await findParked(trx, id, { lock: true });
    if (!row) throw NotParked(id);
    const { consumer, sequence, subject, code } = row;
    const event = ParkedMessageDropped({
      parkedId: id,
      consumer,
      stream: row.stream,
      sequence,
      subject,
      eventId: row.eventId,
      code,
      reason,
    });
    await store.append([{ stream, version: before.length + 1, id: eventId, event, meta: { actor } }], {
      trx,
    });
    await sql`delete from es_parked where id = ${id}::uuid`.execute(trx);
    if (isUuid(row.eventId))
      await sql`insert into es_skipped (consumer, event_id) values (${consumer}, ${row.eventId}::uuid)
        on conflict do nothing`.execute(trx);
    // What waits behind it in its aggregate need not wait any more.
    if (row.aggregate !== '')
      await sql`update es_parked set retry_asked_at = now()
        where consumer = ${consumer} and aggregate = ${row.aggregate}`.execute(trx);
  });
}

/** Those of these events that were dropped for a consumer. */
export async function skippedAmong<Db>(
  db: Parameters<typeof findParked<Db>>[0],
  consumer: string,
  eventIds: readonly string[],
): Promise<Set<string>> {
  const { rows } = await sql<{ event_id: string }>`select event_id from es_skipped
    where consumer = ${consumer} and event_id = any(${eventIds}::uuid[])`.execute(db);
  return new Set(rows.map((row) => row.event_id));
}
