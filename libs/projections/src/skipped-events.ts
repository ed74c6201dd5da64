import { projectionConsumer } from '@postern/bus';
import type { EventStore } from '@postern/event-store';
import { sql } from 'kysely';

/** Ids of the events that a person dropped for a projection: it goes on, and is rebuilt, without them. */
export async function skippedEvents<Db>(
  { db, context }: Pick<EventStore<Db>, 'db' | 'context'>,
  name: string,
): Promise<Set<string>> {
  const { durable } = projectionConsumer(context, name);
  const { rows } = await sql<{ event_id: string }>`select event_id from es_skipped
    where consumer = ${durable}`.execute(db);
  return new Set(rows.map((row) => row.event_id));
}
