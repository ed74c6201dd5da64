import { delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { sql } from 'kysely';
import type { EventStore } from '../event-store.ts';

/** How long events are remembered as handled, and how often older ones are forgotten, in milliseconds. */
export interface InboxSweep {
  readonly telemetry?: Pick<Telemetry, 'log'>;
  /** More than a JetStream stream keeps its messages: none that is older is delivered again. */
  readonly keepMs?: number;
  readonly everyMs?: number;
}

const day = 86_400_000;
const batch = 10_000;

/** Forgets the inbox rows of events that no JetStream stream has any more. A parked event has none: it was not handled. */
export async function sweepInbox<Db>(store: EventStore<Db>, keepMs: number): Promise<number> {
  let swept = 0;
  for (;;) {
    const { numAffectedRows = 0n } = await sql`delete from es_inbox where (consumer, event_id) in (
      select consumer, event_id from es_inbox where at < now() - ${keepMs} * interval '1 millisecond'
      order by at limit ${batch}::int)`.execute(store.db);
    swept += Number(numAffectedRows);
    if (numAffectedRows < batch) return swept;
  }
}

/** Sweeps the inbox now and then, until disposed. */
export function startInboxSweep<Db>(
  store: EventStore<Db>,
  { telemetry, keepMs = 8 * day, everyMs = 3_600_000 }: InboxSweep = {},
): AsyncDisposable {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      await sweepInbox(store, keepMs).catch((error: unknown) =>
        telemetry?.log.warn('the inbox could not be swept', { error: messageOf(error) }),
      );
      await delay(everyMs, stop.signal).catch(() => {});
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
