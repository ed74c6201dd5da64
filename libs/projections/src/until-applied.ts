import { delay, failure } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import { sql } from 'kysely';
import type { Projection } from './projection.ts';

/** The rows do not include yet what the caller knows to be recorded. */
export const NotAppliedYet = failure(
  'unavailable',
  'projections.not_applied_yet',
  (name: string) => `${name} does not include your last change yet; try again in a moment`,
);

/** An event by its place. */
export interface EventPlace {
  /** `<aggregate>/<id>` */
  readonly stream: string;
  readonly version: number;
}

const firstPauseMs = 5;
const longestPauseMs = 100;

/**
 * Waits until the rows of a projection behind the bus include an event, so that a caller reads what it wrote itself. A commit in
 * this process, which may be the one, is looked at without waiting.
 */
export async function untilApplied<Db>(
  store: EventStore<Db>,
  { name }: Pick<Projection<Db>, 'name'>,
  { stream, version }: EventPlace,
  timeoutMs = 5000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  let committed = Promise.withResolvers<void>();
  const stop = store.onCommit(() => committed.resolve());
  try {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      if ((await appliedVersion(store, name, stream)) >= version) return;
      if (performance.now() > end) throw NotAppliedYet(name);
      await Promise.race([committed.promise, delay(pauseMs)]);
      committed = Promise.withResolvers();
    }
  } finally {
    stop();
  }
}

async function appliedVersion<Db>(store: EventStore<Db>, name: string, stream: string): Promise<number> {
  const { rows } = await sql<{ version: number }>`select version from es_applied
    where projection = ${name} and stream_id = ${stream}`.execute(store.db);
  return rows[0]?.version ?? 0;
}
