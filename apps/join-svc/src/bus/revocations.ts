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
  if (busKeys.length === 0) return;
  const rows = busKeys.map(({ key, notAfter }) => ({
    bus_key: key,
    agent_id: agentId,
    ends_at: new Date(notAfter),
  }));
  await trx
    .insertInto('bus_revocation')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
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
