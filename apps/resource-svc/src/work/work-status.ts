import type { WorkStatus, WorkTaskStatus } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { statusOf, type TaskRow } from './task-row.ts';

type Db = Kysely<ResourceDb>;

/** A status travels as one message of at most a megabyte. */
const maxLength = 600_000;

/** The latest run of each task of a group, and its last one that ended. */
export async function readStatus(
  db: Db,
  group: string,
  nowOf: (db: Db) => Promise<number>,
): Promise<WorkStatus> {
  const latest = await sql<TaskRow>`
    select distinct on (task) * from work_task where group_name = ${group} order by task, slot desc`.execute(
    db,
  );
  const ended = await sql<TaskRow>`
    select distinct on (task) * from work_task
    where group_name = ${group} and state in ('done', 'failed', 'dropped') order by task, slot desc`.execute(
    db,
  );
  const lastOf = new Map(ended.rows.map((row) => [row.task, row]));
  const all = latest.rows.map((row) => withLast(row, lastOf.get(row.task)));
  const tasks = fitting(all);
  return {
    now: await nowOf(db),
    members: await membersOf(db, group),
    tasks,
    isPart: tasks.length < all.length,
  };
}

function withLast(row: TaskRow, last: TaskRow | undefined): WorkStatus['tasks'][number] {
  const status = statusOf(row);
  return last === undefined || last.slot.getTime() === status.slot
    ? status
    : { ...status, last: statusOf(last) };
}

function fitting<T extends WorkTaskStatus>(tasks: readonly T[]): T[] {
  let length = 0;
  return tasks.filter((task) => (length += JSON.stringify(task).length) <= maxLength);
}

/** Members offer in every slot: who has not for three of them is gone. */
async function membersOf(db: Db, group: string): Promise<string[]> {
  const rows = await db
    .selectFrom('work_member')
    .select('agent_id')
    .where('group_name', '=', group)
    .where(sql<boolean>`seen_at > clock_timestamp() - 3 * slot_ms * interval '1 millisecond'`)
    .orderBy('agent_id')
    .limit(1_000)
    .execute();
  return rows.map(({ agent_id }) => agent_id);
}
