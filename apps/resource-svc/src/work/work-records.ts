import {
  type Change,
  isEnded,
  type RecordedOffer,
  stale,
  type TaskKey,
  WorkLimitReached,
  type WorkRecords,
  type WorkTask,
} from '@postern/work-groups';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { columnsOf, taskOf } from './task-row.ts';
import { readStatus } from './work-status.ts';

type Db = Kysely<ResourceDb>;

/** Groups that one agent may be in, and tasks that it may bring into a slot of one. */
const limits = { groups: 16, tasks: 500 } as const;

/** Slots whose tasks are kept, and for how long at least. */
const kept = { slots: 20, ms: 3_600_000 } as const;

const minusWeek = sql<Date>`clock_timestamp() - interval '7 days'`;

/** What else changes when a task has ended, in the transaction that says so: once, however often it was run. */
export type EndEffect = (trx: Transaction<ResourceDb>, task: WorkTask) => Promise<void>;

/** The records of work groups in Postgres, whose clock is the one that counts. */
export function workRecords(db: Db, whenEnded?: EndEffect): WorkRecords {
  return {
    now: () => nowOf(db),
    offer: (offer) => db.transaction().execute((trx) => recordOffer(trx, offer)),
    tidy: (group) => db.transaction().execute((trx) => tidy(trx, group, whenEnded)),
    change: (key, decide) => db.transaction().execute((trx) => change(trx, key, { decide, whenEnded })),
    status: (group) => readStatus(db, group, nowOf),
  };
}

async function nowOf(db: Db): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  return rows[0]!.now.getTime();
}

async function recordOffer(trx: Transaction<ResourceDb>, offer: RecordedOffer) {
  await noteMember(trx, offer);
  const { group, slotMs, agentId, tasks } = offer;
  const slot = new Date(offer.slot);
  if (tasks.length === 0) return { waiting: [], added: 0 };
  // In one order whoever offers: two that insert the same rows in different orders would wait for each other.
  const added = await sql`
    insert into work_task (group_name, slot, task, slot_ms, offered_by, state)
    select ${group}, ${slot}::timestamptz, task, ${slotMs}::integer, ${agentId}, 'offered' from unnest(${tasks}::text[]) as task
    order by task
    on conflict (group_name, slot, task) do nothing`.execute(trx);
  const own = await trx
    .selectFrom('work_task')
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .where('group_name', '=', group)
    .where('slot', '=', slot)
    .where('offered_by', '=', agentId)
    .executeTakeFirstOrThrow();
  if (Number(own.count) > limits.tasks) throw WorkLimitReached('tasks of one agent in a time slot');
  return { waiting: await waitingAmong(trx, offer), added: Number(added.numAffectedRows ?? 0) };
}

/** The lock on the row makes offers of the same agent count one after the other. */
async function noteMember(
  trx: Transaction<ResourceDb>,
  { group, agentId, slotMs }: RecordedOffer,
): Promise<void> {
  const { numAffectedRows } = await sql`
    insert into work_member (group_name, agent_id, slot_ms, seen_at)
    select ${group}, ${agentId}, ${slotMs}::integer, clock_timestamp()
    where (select count(*) from work_member
           where agent_id = ${agentId} and group_name <> ${group} and seen_at > ${minusWeek}) < ${limits.groups}
    on conflict (group_name, agent_id) do update set slot_ms = excluded.slot_ms, seen_at = excluded.seen_at`.execute(
    trx,
  );
  if (numAffectedRows !== 1n) throw WorkLimitReached('groups of one agent');
}

/** A lost delivery is among them: where the queue lost its messages nobody else brings it back. */
async function waitingAmong(
  trx: Transaction<ResourceDb>,
  { group, slot, tasks }: RecordedOffer,
): Promise<string[]> {
  const rows = await trx
    .selectFrom('work_task')
    .select('task')
    .where('group_name', '=', group)
    .where('slot', '=', new Date(slot))
    .where('task', '=', sql<string>`any(${tasks}::text[])`)
    .where(({ eb, or, and }) =>
      or([
        eb('state', '=', 'offered'),
        and([eb('state', '=', 'taken'), eb('lease_until', '<', sql<Date>`clock_timestamp()`)]),
      ]),
    )
    .execute();
  return rows.map(({ task }) => task);
}

interface Decision<T> {
  readonly decide: (task: WorkTask | undefined, now: number) => Change<T>;
  readonly whenEnded: EndEffect | undefined;
}

async function change<T>(
  trx: Transaction<ResourceDb>,
  key: TaskKey,
  { decide, whenEnded }: Decision<T>,
): Promise<T> {
  const row = await ofKey(trx, key).forUpdate().executeTakeFirst();
  // Asked when the row is ours: what was waited for it has passed.
  const { task, answer } = decide(row && taskOf(row), await nowOf(trx));
  if (task !== undefined) await save(trx, task);
  if (task !== undefined && isEnded(task)) await whenEnded?.(trx, task);
  return answer;
}

async function tidy(
  trx: Transaction<ResourceDb>,
  group: string,
  whenEnded: EndEffect | undefined,
): Promise<WorkTask[]> {
  const rows = await trx
    .selectFrom('work_task')
    .selectAll()
    .where('group_name', '=', group)
    .where(({ eb, or, and }) =>
      or([
        eb('state', '=', 'offered'),
        and([eb('state', '=', 'taken'), eb('lease_until', '<', sql<Date>`clock_timestamp()`)]),
      ]),
    )
    .where(sql<boolean>`clock_timestamp() >= slot + 2 * slot_ms * interval '1 millisecond'`)
    .forUpdate()
    // Whoever holds one decides on it.
    .skipLocked()
    .execute();
  const now = await nowOf(trx);
  const ended = rows.map((row) => stale(taskOf(row), now));
  for (const task of ended) {
    await save(trx, task);
    await whenEnded?.(trx, task);
  }
  await forgetOld(trx, group);
  return ended;
}

async function forgetOld(trx: Transaction<ResourceDb>, group: string): Promise<void> {
  await sql`delete from work_task where group_name = ${group} and state not in ('offered', 'taken') and slot < clock_timestamp()
    - greatest(${kept.slots} * slot_ms, ${kept.ms}) * interval '1 millisecond'`.execute(trx);
  await sql`delete from work_task where group_name in
    (select group_name from work_member group by group_name having max(seen_at) < ${minusWeek})`.execute(trx);
  await trx.deleteFrom('work_member').where('seen_at', '<', minusWeek).execute();
}

async function save(trx: Transaction<ResourceDb>, task: WorkTask): Promise<void> {
  await trx
    .updateTable('work_task')
    .set(columnsOf(task))
    .where('group_name', '=', task.group)
    .where('slot', '=', new Date(task.slot))
    .where('task', '=', task.task)
    .execute();
}

function ofKey(trx: Transaction<ResourceDb>, { group, slot, task }: TaskKey) {
  return trx
    .selectFrom('work_task')
    .selectAll()
    .where('group_name', '=', group)
    .where('slot', '=', new Date(slot))
    .where('task', '=', task);
}
