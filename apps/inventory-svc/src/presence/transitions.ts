import { AgentLost, AgentSeen } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import type { AppendItem, EventStore } from '@postern/event-store';
import { type Selectable, sql, type Transaction } from 'kysely';
import type { AgentTable, InventoryDb, Presence } from '../database.ts';

/** What changes of presence are recorded with. */
export interface TransitionDeps {
  readonly store: EventStore<InventoryDb>;
  /** SPIFFE id of this service, for the events. */
  readonly actor: string;
}

type AgentRow = Selectable<AgentTable>;
type Trx = Transaction<InventoryDb>;

const maxAgents = 500;

/**
 * A change of presence is decided under the lock of the agent's row, so that two replicas that saw the same thing record
 * it once: the second finds nothing left to change. Rows are locked in order of their ids.
 */
async function change(
  { store, actor }: TransitionDeps,
  select: (trx: Trx) => Promise<AgentRow[]>,
  presence: Presence,
): Promise<string[]> {
  return store.transaction(async (trx) => {
    const rows = await select(trx);
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.agent_id);
    await store.append(
      rows.map((row) => itemOf(row, presence, actor)),
      { trx },
    );
    await trx
      .updateTable('agent')
      .set({ presence, stream_version: sql`stream_version + 1` })
      .where(isAmong(ids))
      .execute();
    return ids;
  });
}

/** Records that these agents are online, those of them that were not. */
export async function recordSeen(deps: TransitionDeps, agentIds: readonly string[]): Promise<void> {
  for (let from = 0; from < agentIds.length; from += maxAgents) {
    const ids = agentIds.slice(from, from + maxAgents);
    await change(deps, (trx) => lockReturned(trx, ids), 'online');
  }
}

/** Records that agents fell silent: three intervals without a heartbeat, and no trouble of ours within the last two. */
export async function recordSilent(deps: TransitionDeps, now: Date, troubleAt: Date): Promise<string[]> {
  const lost: string[] = [];
  for (;;) {
    const ids = await change(deps, (trx) => lockSilent(trx, now, troubleAt), 'offline');
    lost.push(...ids);
    if (ids.length < maxAgents) return lost;
  }
}

/** Records that an agent said goodbye, unless it has been heard of since. */
export async function recordLeft(
  { store, actor }: TransitionDeps,
  agentId: string,
  at: Date,
): Promise<boolean> {
  return store.transaction(async (trx) => {
    const [row] = await trx
      .selectFrom('agent')
      .selectAll()
      .where('agent_id', '=', agentId)
      .where('last_seen', '<=', at)
      .forUpdate()
      .execute();
    if (!row) return false;
    const isOnline = row.presence === 'online';
    if (isOnline) await store.append([itemOf(row, 'offline', actor, 'goodbye')], { trx });
    const stream_version = row.stream_version + (isOnline ? 1 : 0);
    const left = { left_run: row.run, left_at: at, presence: 'offline', stream_version } as const;
    await trx.updateTable('agent').set(left).where('agent_id', '=', agentId).execute();
    return isOnline;
  });
}

function lockReturned(trx: Trx, ids: readonly string[]): Promise<AgentRow[]> {
  return trx
    .selectFrom('agent')
    .selectAll()
    .where(isAmong(ids))
    .where('presence', '=', 'offline')
    .whereRef('run', '<>', 'left_run')
    .whereRef('last_seen', '>', 'left_at')
    .orderBy('agent_id')
    .forUpdate()
    .execute();
}

function lockSilent(trx: Trx, now: Date, troubleAt: Date): Promise<AgentRow[]> {
  return trx
    .selectFrom('agent')
    .selectAll()
    .where('presence', '=', 'online')
    .where(isOverdue(now))
    .where(sql<boolean>`${now}::timestamptz >= ${troubleAt}::timestamptz + 2 * interval_ms * interval '1 ms'`)
    .orderBy('agent_id')
    .limit(maxAgents)
    .forUpdate()
    .execute();
}

/** Whether an agent missed three heartbeats. */
export function isOverdue(now: Date) {
  return sql<boolean>`last_seen < ${now}::timestamptz - 3 * interval_ms * interval '1 ms'`;
}

function isAmong(ids: readonly string[]) {
  return sql<boolean>`agent_id = any(${ids}::text[])`;
}

function itemOf(
  row: AgentRow,
  presence: Presence,
  actor: string,
  reason: 'goodbye' | 'silence' = 'silence',
): AppendItem {
  const { agent_id: agentId, hostname, version, services, last_seen: lastSeen } = row;
  const event =
    presence === 'online'
      ? AgentSeen({ agentId, hostname, version, services })
      : AgentLost({ agentId, reason, lastSeen: lastSeen.toISOString() });
  return {
    stream: `agent/${agentId}`,
    version: row.stream_version + 1,
    id: uuidv7(),
    event,
    meta: { actor },
  };
}
