import { sql, type Transaction } from 'kysely';
import type { EventStore } from '../event-store.ts';

/** Which effect of which event. */
export interface Effect {
  readonly consumer: string;
  /** UUID of the event. */
  readonly eventId: string;
}

/**
 * Writes rows because of an event, once however often it is delivered: the note that it was done is committed with the rows or
 * not at all. Answers whether this was the time.
 */
export function once<Db>(
  store: EventStore<Db>,
  effect: Effect,
  write: (trx: Transaction<Db>) => Promise<unknown>,
): Promise<boolean> {
  return store.transaction(async (trx) => {
    const isFirst = await noteDone(trx, effect);
    if (isFirst) await write(trx);
    return isFirst;
  });
}

/** For who has a transaction already: notes the effect as done, and answers whether it was not before. */
export async function noteDone<Db>(trx: Transaction<Db>, { consumer, eventId }: Effect): Promise<boolean> {
  const { numAffectedRows } = await sql`insert into es_inbox (consumer, event_id)
    values (${consumer}, ${eventId}::uuid) on conflict do nothing`.execute(trx);
  return numAffectedRows === 1n;
}
