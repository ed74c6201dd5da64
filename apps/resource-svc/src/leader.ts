import { delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { type Kysely, sql } from 'kysely';

/** Work of which one replica at a time does its share. */
export interface Leadership<Db> {
  readonly db: Kysely<Db>;
  /** Names the lease; the same in every replica. */
  readonly name: string;
  readonly telemetry: Pick<Telemetry, 'log'>;
  /** Runs while the lease is held and ends soon after the signal. */
  readonly work: (signal: AbortSignal) => Promise<void>;
}

const retryMs = 500;
const pingMs = 1_000;
// A replica that was frozen keeps its TCP connection, and with it the lock, until Postgres ends a session that is silent.
const silenceMs = 5_000;
// Less than that: whoever is not answered stops before another one may lead.
const answerWithinMs = 2_500;

/** Tries to lead until disposed, and again after each failure. */
export function startLeading<Db>(leadership: Leadership<Db>): AsyncDisposable {
  const stop = new AbortController();
  const running = lead(leadership, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

async function lead<Db>(leadership: Leadership<Db>, signal: AbortSignal): Promise<void> {
  const { db, name, telemetry } = leadership;
  while (!signal.aborted) {
    try {
      await db.connection().execute((connection) => leadOn(connection, leadership, signal));
    } catch (error) {
      if (!signal.aborted) telemetry.log.warn('lost the lead', { lease: name, error: messageOf(error) });
    }
    await delay(retryMs, signal).catch(() => {});
  }
}

async function leadOn<Db>(
  connection: Kysely<Db>,
  leadership: Leadership<Db>,
  signal: AbortSignal,
): Promise<void> {
  const { name, telemetry, work } = leadership;
  const key = `postern.lease.${name}`;
  const { rows } = await sql<{
    locked: boolean;
  }>`select pg_try_advisory_lock(hashtextextended(${key}, 0)) as locked`.execute(connection);
  if (!rows[0]?.locked) return;
  telemetry.log.info('took the lead', { lease: name });
  const lost = new AbortController();
  try {
    await sql.raw(`set idle_session_timeout = ${silenceMs}`).execute(connection);
    const either = AbortSignal.any([signal, lost.signal]);
    const pinging = ping(connection, lost, either);
    try {
      await work(either);
    } finally {
      lost.abort();
      await pinging;
    }
  } finally {
    await sql.raw('set idle_session_timeout = 0').execute(connection);
    await sql`select pg_advisory_unlock(hashtextextended(${key}, 0))`.execute(connection);
  }
}

/** Shows Postgres that this replica is alive, and itself that Postgres still thinks so. */
async function ping<Db>(connection: Kysely<Db>, lost: AbortController, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(pingMs, signal).catch(() => {});
    try {
      await answered(sql`select 1`.execute(connection));
    } catch (error) {
      lost.abort(error);
    }
  }
}

/** A server that is gone without a word never answers, and the lease with it. */
async function answered(query: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('Postgres does not answer')), answerWithinMs);
  query.catch(() => {});
  await Promise.race([query, late.promise]).finally(() => clearTimeout(timer));
}
