import type { WorkSettle } from '@postern/contracts';
import { failure } from '@postern/core';
import { isStale } from '../slot.ts';

/** A delivery that no longer counts: its time was over and the task was given on, or it was settled already. */
export const DeliveryLost = failure(
  'conflict',
  'work.delivery_lost',
  (task: string) =>
    `${task} is no longer this member's: give up what was done on it, it is done again elsewhere`,
);

/** What is recorded of a task of a time slot. Times are milliseconds since 1970. */
export interface WorkTask {
  readonly group: string;
  readonly slot: number;
  readonly slotMs: number;
  readonly task: string;
  readonly state: 'offered' | 'taken' | 'done' | 'failed' | 'dropped';
  /** How often it was handed out. Whoever has an older attempt has lost it. */
  readonly attempt: number;
  /** How many of these were handed back unfinished, which counts against nobody. */
  readonly returned: number;
  readonly holder?: string;
  readonly leaseUntil?: number;
  /** Where the queue hears of the delivery. */
  readonly ack?: string;
  readonly endedAt?: number;
  readonly reason?: string;
  readonly result?: unknown;
}

/** How long and how often. */
export interface WorkLimits {
  /** A delivery of which nothing is heard for so long is lost. */
  readonly leaseMs: number;
  /** A task that was handed out so often, and not handed back, has failed. */
  readonly maxAttempts: number;
}

/** What is to be done with a task that the queue delivered. Without `task` its record stays as it is. */
export type Taking =
  | { readonly step: 'run' | 'end'; readonly task: WorkTask }
  /** Somebody is at it, whatever the queue believes. */
  | { readonly step: 'later'; readonly afterMs: number }
  | { readonly step: 'forget' };

interface Taker extends WorkLimits {
  readonly holder: string;
  readonly ack: string;
}

/** Decides on a task that the queue delivered. The queue may do so early, twice or after the end: this record decides. */
export function take(task: WorkTask | undefined, taker: Taker, now: number): Taking {
  if (task === undefined || isEnded(task)) return { step: 'forget' };
  const { leaseUntil = 0 } = task;
  if (task.state === 'taken' && leaseUntil > now) return { step: 'later', afterMs: leaseUntil - now };
  if (task.attempt - task.returned >= taker.maxAttempts) return { step: 'end', task: exhausted(task, now) };
  if (isStale(task, now)) return { step: 'end', task: stale(task, now) };
  const { holder, ack, leaseMs } = taker;
  const taken = { holder, ack, leaseUntil: now + leaseMs, attempt: task.attempt + 1 };
  return { step: 'run', task: { ...task, ...taken, state: 'taken' } };
}

/** Which delivery a member speaks of. */
export interface Claim {
  readonly holder: string;
  readonly task: string;
  readonly attempt: number;
}

/** The member is still at it. This also revives a delivery whose time was over while nobody else wanted the task. */
export function extend(
  task: WorkTask | undefined,
  claim: Claim,
  { now, leaseMs }: { readonly now: number; readonly leaseMs: number },
): WorkTask {
  if (!isHeldBy(task, claim) || task.state !== 'taken') throw DeliveryLost(claim.task);
  return { ...task, leaseUntil: now + leaseMs };
}

/** What a settled delivery comes to. Without `task` the same was said before. */
export interface Settling {
  readonly task?: WorkTask;
  /** When it is to be delivered again, in milliseconds; absent when it is over. */
  readonly againAfterMs?: number;
}

interface Settlement extends Claim, Pick<WorkSettle, 'outcome' | 'reason' | 'result'> {}

/** A member says how its delivery ended. Saying it again, as one does whose answer was lost, changes nothing. */
export function settle(
  task: WorkTask | undefined,
  settlement: Settlement,
  { now, maxAttempts }: { readonly now: number; readonly maxAttempts: number },
): Settling {
  if (!isHeldBy(task, settlement)) throw DeliveryLost(settlement.task);
  const { outcome, reason, result } = settlement;
  if (task.state !== 'taken') {
    if (isAfter(task, outcome)) return {};
    throw DeliveryLost(settlement.task);
  }
  const open = withoutLease(task);
  if (outcome === 'done') {
    const { reason: _, ...rest } = open;
    return { task: { ...rest, state: 'done', endedAt: now, ...(result === undefined ? {} : { result }) } };
  }
  if (outcome === 'returned')
    return { task: { ...open, state: 'offered', returned: task.returned + 1 }, againAfterMs: 1 };
  const failed = { ...open, reason: reason ?? 'no reason was given' };
  const tries = task.attempt - task.returned;
  if (tries >= maxAttempts) return { task: { ...failed, state: 'failed', endedAt: now } };
  return { task: { ...failed, state: 'offered' }, againAfterMs: retryDelay(tries) };
}

/** A task that nobody began in time. */
export function stale(task: WorkTask, now: number): WorkTask {
  const why = task.attempt === 0 ? 'no member was free for it' : 'the member that had it was lost';
  return {
    ...withoutLease(task),
    state: 'dropped',
    endedAt: now,
    reason: `its time slot is over: ${task.reason ?? why}`,
  };
}

/** Whether it is over: nothing changes it any more. */
export function isEnded({ state }: WorkTask): boolean {
  return state === 'done' || state === 'failed' || state === 'dropped';
}

function exhausted(task: WorkTask, now: number): WorkTask {
  const reason = `it was lost ${task.attempt - task.returned} times: ${task.reason ?? 'the members that had it went away'}`;
  return { ...withoutLease(task), state: 'failed', endedAt: now, reason };
}

function isHeldBy(task: WorkTask | undefined, { holder, attempt }: Claim): task is WorkTask {
  return task !== undefined && task.holder === holder && task.attempt === attempt;
}

/** Whether the record is as this settlement left it. */
function isAfter({ state }: WorkTask, outcome: WorkSettle['outcome']): boolean {
  if (outcome === 'done') return state === 'done';
  return state === 'offered' || (outcome === 'failed' && state === 'failed');
}

function withoutLease({ leaseUntil: _until, ack: _ack, ...rest }: WorkTask): WorkTask {
  return rest;
}

/** Doubles from half a second to half a minute. */
function retryDelay(tries: number): number {
  return Math.min(500 * 2 ** (tries - 1), 30_000);
}
