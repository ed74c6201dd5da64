import { type EventStore, StoreTimeout } from '@postern/event-store';
import { delay } from '@postern/core';
import { sql, type Transaction } from 'kysely';
import { lockProjection } from '../lock-projection.ts';
import type { Projection } from '../projection.ts';
import { skippedEvents } from '../skipped-events.ts';
import { type Progress, type Range, type Replay, replayRange, replayRest } from './replay.ts';
import { indexShadow, createShadow, dropShadow, type ShadowTables } from './shadow-tables.ts';

/** Who hears how far it is, and what ends it; the rows stay what they were then. */
export interface ReplayOptions {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What happens when both tables hold what the events say, and nobody writes. */
export interface LastStep<Db, T> {
  /** Whether readers of the live tables wait as well. */
  readonly excludes: 'writers' | 'everybody';
  run(trx: Transaction<Db>, tables: ShadowTables): Promise<T>;
}

const fewEvents = 2000;
const mostRounds = 8;
const attempts = 60;
// Shorter than Postgres looks for deadlocks after: in one with a writer it is us who give way.
const lockTimeoutMs = 500;
const betweenAttemptsMs = 500;

/**
 * Makes the rows of a projection again from every recorded event, beside the live ones, and then does the last step in one
 * transaction. Appends wait only for that one, in which no more than a few events are left to apply.
 */
export async function besideLive<Db, T>(
  store: EventStore<Db>,
  projection: Projection<Db>,
  { onProgress, signal }: ReplayOptions,
  lastStep: LastStep<Db, T>,
): Promise<T> {
  const tables = shadowTables(store, projection);
  const skipped = await skippedEvents(store, projection.name);
  const replay = { store, projection, shadow: tables.shadow, skipped, onProgress, signal };
  const inTransaction = store.db.transaction();
  await inTransaction.execute((trx) => createShadow(trx, tables));
  try {
    const position = await catchUp(replay, () => inTransaction.execute((trx) => indexShadow(trx, tables)));
    return await withPatience(signal, () =>
      inTransaction.execute(async (trx) => {
        await refuseWriters(trx, projection.name);
        await replayRest(replay, trx, position);
        await lockTables(trx, tables, lastStep.excludes);
        return lastStep.run(trx, tables);
      }),
    );
  } catch (error) {
    await inTransaction.execute((trx) => dropShadow(trx, tables)).catch(() => {});
    throw error;
  }
}

/** Where the rows of a projection are made again. */
export function shadowTables<Db>(
  { postgres: { schema } }: EventStore<Db>,
  { name, tables }: Projection<Db>,
): ShadowTables {
  return { schema, shadow: `${schema}_rebuild_${name}`, tables };
}

/** Replays until few events are left, since more are recorded meanwhile. Returns how far it came. */
async function catchUp<Db>(replay: Replay<Db>, afterFirst: () => Promise<void>): Promise<number> {
  let range: Range = { after: 0, until: await committedHorizon(replay.store) };
  for (let round = 1; round <= mostRounds; round += 1) {
    await replayRange(replay, range);
    if (round === 1) await afterFirst();
    const until = await committedHorizon(replay.store);
    if (until - range.until <= fewEvents) return range.until;
    range = { after: range.until, until };
  }
  return range.after;
}

/** Up to here nothing can be committed any more: whoever got a lower number has ended. */
async function committedHorizon<Db>(store: EventStore<Db>): Promise<number> {
  return store.db.transaction().execute(async (trx) => {
    await refuseAppends(trx);
    const { rows } = await sql<{ last: number | null }>`select max(seq) as last from es_event`.execute(trx);
    return rows[0]?.last ?? 0;
  });
}

async function refuseAppends<Db>(trx: Transaction<Db>): Promise<void> {
  await sql`select set_config('statement_timeout', '0', true)`.execute(trx);
  await sql`lock table es_event in share row exclusive mode`.execute(trx);
}

/** In the order in which writers take them: who follows the bus begins with the projection's lock, who appends with the events. */
async function refuseWriters<Db>(trx: Transaction<Db>, name: string): Promise<void> {
  await sql`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)`.execute(trx);
  await lockProjection(trx, name);
  await refuseAppends(trx);
}

async function lockTables<Db>(
  trx: Transaction<Db>,
  { schema, tables }: ShadowTables,
  excluded: LastStep<Db, unknown>['excludes'],
): Promise<void> {
  const mode = sql.raw(excluded === 'everybody' ? 'access exclusive' : 'share');
  for (const table of tables) await sql`lock table ${sql.id(schema, table)} in ${mode} mode`.execute(trx);
  await sql`select set_config('lock_timeout', '0', true)`.execute(trx);
}

/** Somebody who reads for long is waited for, but nobody waits behind us meanwhile. */
async function withPatience<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!StoreTimeout.is(error) || attempt === attempts) throw error;
      await delay(betweenAttemptsMs, signal);
    }
  }
}
