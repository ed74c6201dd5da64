import type { BusOperator } from '@postern/bus';
import { type Clock, delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { sql, type Transaction } from 'kysely';
import type { BusKey } from '../agents/agent.ts';
import type { JoinDb, JoinStore } from '../database.ts';

/** Whether the bus knows whom it must refuse. */
export type Told = 'told' | 'pending' | 'cannot-be-told';

/** What the bus is told of revoked agents. */
export interface Revocations extends AsyncDisposable {
  /** Tells it now, and says what became of that. */
  tell(): Promise<Told>;
}

interface RevocationDeps {
  readonly store: JoinStore;
  /** How the bus is spoken to; nobody can where the control plane does not hold its operator's key. */
  readonly operator: Pick<BusOperator, 'setRevoked' | 'onReconnect'> | undefined;
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
function lastEnds(busKeys: readonly BusKey[]): [string, Date][] {
  const ends = new Map<string, Date>();
  for (const { key, notAfter } of busKeys) {
    const at = new Date(notAfter);
    if (at > (ends.get(key) ?? new Date(0))) ends.set(key, at);
  }
  return [...ends].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

/**
 * Keeps the revoked users of the bus what the rows say, in every replica: at start, after each reconnection, when asked, and
 * every few seconds, since a server may have been put back to what it knew earlier.
 */
export function keepRevocations(deps: RevocationDeps): Revocations {
  const { operator, telemetry } = deps;
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
  const stopListening = operator.onReconnect(() => void tell());
  const running = repeat(tell, ended.signal);
  return {
    tell,
    [Symbol.asyncDispose]: async () => {
      stopListening();
      ended.abort();
      await running;
    },
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
  clock,
}: RevocationDeps & { readonly operator: Pick<BusOperator, 'setRevoked'> }): Promise<void> {
  await store.transaction(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('postern.join.bus_revocation', 0))`.execute(trx);
    await trx.deleteFrom('bus_revocation').where('ends_at', '<=', clock()).execute();
    const rows = await trx.selectFrom('bus_revocation').select(['bus_key', 'ends_at']).execute();
    await operator.setRevoked(new Map(rows.map(({ bus_key, ends_at }) => [bus_key, ends_at])));
  });
}
