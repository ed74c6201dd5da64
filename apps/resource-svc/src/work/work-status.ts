import type { WorkStatus, WorkTaskStatus } from '@postern/contracts';
import { type Kysely, type RawBuilder, sql } from 'kysely';
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
  const latest = await newestOfEach(db, group, sql`true`);
  const ended = await newestOfEach(db, group, sql`state in ('done', 'failed', 'dropped')`);
  const lastOf = new Map(ended.map((row) => [row.task, row]));
  const all = latest.map((row) => withLast(row, lastOf.get(row.task)));
  const tasks = fitting(all);
  return {
    now: await nowOf(db),
    members: await membersOf(db, group),
    tasks,
    isPart: tasks.length < Number(latest[0]?.tasks ?? 0),
  };
}

interface SizedRow extends TaskRow {
  /** How many tasks there are in all. */
  readonly tasks: string;
}

/** The newest row of each task, in the order of their names and no more than what a message may hold: results are large. */
async function newestOfEach(
  db: Db,
  group: string,
  isWanted: RawBuilder<unknown>,
): Promise<readonly SizedRow[]> {
  const { rows } = await sql<SizedRow>`
    with newest as (
      select distinct on (task) * from work_task where group_name = ${group} and ${isWanted} order by task, slot desc
    ), sized as (
      select *, count(*) over () as tasks, sum(length(task) + coalesce(length(result), 0)) over (order by task) as characters
      from newest
    )
    select * from sized where characters <= ${maxLength} order by task`.execute(db);
  return rows;
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
