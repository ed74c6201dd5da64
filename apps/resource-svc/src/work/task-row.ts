import type { WorkTaskStatus } from '@postern/contracts';
import type { WorkTask } from '@postern/work-groups';
import type { Selectable } from 'kysely';
import type { WorkTaskTable } from '../database.ts';

export type TaskRow = Selectable<WorkTaskTable>;

/** The task that a row records. */
export function taskOf(row: TaskRow): WorkTask {
  const { group_name: group, slot, slot_ms: slotMs, task, state, attempt, returned } = row;
  return {
    group,
    slot: slot.getTime(),
    slotMs,
    task,
    state,
    attempt,
    returned,
    ...present('holder', row.holder),
    ...present('leaseUntil', row.lease_until?.getTime()),
    ...present('ack', row.ack),
    ...present('endedAt', row.ended_at?.getTime()),
    ...present('reason', row.reason),
    ...present('result', row.result === null ? undefined : (JSON.parse(row.result) as unknown)),
  };
}

/** The columns of a row that a change of its task may change. */
export function columnsOf(task: WorkTask) {
  const { state, attempt, returned, holder, leaseUntil, ack, endedAt, reason, result } = task;
  return {
    state,
    attempt,
    returned,
    holder: holder ?? null,
    lease_until: leaseUntil === undefined ? null : new Date(leaseUntil),
    ack: ack ?? null,
    ended_at: endedAt === undefined ? null : new Date(endedAt),
    reason: reason ?? null,
    result: result === undefined ? null : JSON.stringify(result),
  };
}

/** What members are shown of a row. */
export function statusOf(row: TaskRow): WorkTaskStatus {
  const { task, slot, state, attempt, holder, endedAt, reason, result } = taskOf(row);
  const shown = { holder, endedAt, reason, result };
  const known = Object.entries(shown).filter(([, value]) => value !== undefined);
  return { task, slot, state, attempt, ...Object.fromEntries(known) };
}

function present<K extends string, V>(key: K, value: V | null | undefined): { readonly [P in K]?: V } {
  return value === null || value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}
