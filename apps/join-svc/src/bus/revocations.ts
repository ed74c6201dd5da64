import type { BusOperator } from '@postern/bus';
import { type Clock, delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { sql, type Transaction } from 'kysely';
import type { LockedAgents } from '@postern/policy';
import type { BusKey } from '../agents/agent.ts';
import { lockedBusKeys } from '../agents/locked-agents.ts';
import type { JoinDb, JoinStore } from '../database.ts';

/** Whether the bus knows whom it must refuse. */
export type Told = 'told' | 'pending' | 'cannot-be-told';

/** What the bus is told of revoked and locked agents. */
export interface Revocations extends AsyncDisposable {
  /** Tells it now, and says what became of that. */
  tell(): Promise<Told>;
}

/** What revocations are kept with. */
export interface RevocationDeps {
  readonly store: JoinStore;
  /** How the bus is spoken to; nobody can where the control plane does not hold its operator's key. */
  readonly operator: Pick<BusOperator, 'setRevoked' | 'onReconnect'> | undefined;
  /** Whom locks stop; undefined while that is not known, and nobody is let in then who was not before. */
  readonly locked: () => LockedAgents | undefined;
  /** Calls back when that may have changed. */
  readonly onLock: (listener: () => void) => () => void;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** How late a revocation is at most, if the replica that recorded it dies before it has told the bus. */
const intervalMs = 5_000;

/** The rows that follow from a revocation; they change in its transaction. */
export async function addRevocations(
  trx: Transaction<JoinDb>,
  agentId: string,
  busKeys: readonly BusKey[],
): Promise<void> {
  for (const [key, ends] of lastEnds(busKeys)) {
    const greatest = sql<Date>`greatest(bus_revocation.ends_at, excluded.ends_at)`;
    await trx
      .insertInto('bus_revocation')
      .values({ bus_key: key, agent_id: agentId, ends_at: ends })
      // Another agent may have had this key, and its credentials ended earlier.
      .onConflict((conflict) => conflict.column('bus_key').doUpdateSet({ ends_at: greatest }))
      .execute();
  }
}

/** When the last credential of each key ends: an agent may renew with the key that it has. In one order, for the locks. */
function lastEnds(
  busKeys: readonly { readonly key: string; readonly notAfter: string | Date }[],
): [string, Date][] {
  const ends = new Map<string, Date>();
  for (const { key, notAfter } of busKeys) {
    const at = new Date(notAfter);
    if (at > (ends.get(key) ?? new Date(0))) ends.set(key, at);
  }
  return [...ends].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

/**
 * Keeps the revoked users of the bus what the rows and the locks say, in every replica: at start, after each reconnection and each
 * change of a lock, when asked, and every few seconds, since a server may have been put back to what it knew earlier.
 */
export function keepRevocations(deps: RevocationDeps): Revocations {
  const { operator, onLock, telemetry } = deps;
  if (operator === undefined) {
    return { tell: () => Promise.resolve('cannot-be-told'), [Symbol.asyncDispose]: async () => {} };
  }
  const ended = new AbortController();
  const told = { ...deps, operator };
  const tell = async (): Promise<Told> => {
    try {
      await tellOnce(told);
      return 'told';
    } catch (error) {
      telemetry.log.warn('the bus could not be told of revoked agents yet', { error: messageOf(error) });
      return 'pending';
    }
  };
  const soon = oneAtATime(tell);
  const stopListening = [operator.onReconnect(soon), onLock(soon)];
  const running = repeat(tell, ended.signal);
  return {
    tell,
    [Symbol.asyncDispose]: async () => {
      stopListening.forEach((stop) => stop());
      ended.abort();
      await running;
    },
  };
}

/** However often it is asked for: one run, and one more behind it that has not begun. */
function oneAtATime(work: () => Promise<unknown>): () => void {
  let last = Promise.resolve<unknown>(undefined);
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    last = last.then(() => {
      isWaiting = false;
      return work();
    });
  };
}

async function repeat(work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await work();
    await delay(intervalMs, signal).catch(() => {});
  }
}

/** One replica at a time, each with the rows of its own moment: an older set cannot replace a newer one. */
async function tellOnce({
  store,
  operator,
  locked,
  clock,
}: RevocationDeps & { readonly operator: Pick<BusOperator, 'setRevoked'> }): Promise<void> {
  await store.transaction(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('postern.join.bus_revocation', 0))`.execute(trx);
    await trx.deleteFrom('bus_revocation').where('ends_at', '<=', clock()).execute();
    const rows = await trx.selectFrom('bus_revocation').select(['bus_key', 'ends_at']).execute();
    const stopped = locked();
    const keys = stopped === undefined ? [] : await lockedBusKeys(trx, stopped, clock());
    const ends = lastEnds([
      ...rows.map(({ bus_key: key, ends_at: notAfter }) => ({ key, notAfter })),
      ...keys,
    ]);
    await operator.setRevoked(new Map(ends), { keepOthers: stopped === undefined });
  });
}
