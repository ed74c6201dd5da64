import type { WorkStatus } from '@postern/contracts';
import { failure } from '@postern/core';
import type { WorkTask } from './work-task.ts';

/** More than one agent may ask for. It is what a mistake or a stolen credential can cost. */
export const WorkLimitReached = failure(
  'resource_exhausted',
  'work.limit_reached',
  (what: string) => `no more ${what}: use fewer`,
);

/** Which task of which slot. */
export type TaskKey = Pick<WorkTask, 'group' | 'slot' | 'task'>;

/** The tasks of a slot, by one of its group. */
export interface RecordedOffer {
  readonly agentId: string;
  readonly group: string;
  readonly slot: number;
  readonly slotMs: number;
  readonly tasks: readonly string[];
}

/** What a change of a task's record comes to. */
export interface Change<T> {
  /** The record from now on; absent to leave it as it is. */
  readonly task?: WorkTask;
  readonly answer: T;
}

/** What the records of tasks must be able to do. Their time is the one of which there is one only, whoever asks. */
export interface WorkRecords {
  /** Milliseconds since 1970. */
  now(): Promise<number>;
  /**
   * Records the tasks that are new in their slot, and that this agent is of the group. Returns those of the tasks that wait to
   * be taken, new or not: their messages may be missing from the queue.
   */
  offer(offer: RecordedOffer): Promise<{ readonly waiting: readonly string[]; readonly added: number }>;
  /** Ends what was never begun in time, and forgets what is long over; returns what it ended. */
  tidy(group: string): Promise<readonly WorkTask[]>;
  /** Reads a record, decides, and writes what was decided, with nobody else in between. */
  change<T>(key: TaskKey, decide: (task: WorkTask | undefined, now: number) => Change<T>): Promise<T>;
  status(group: string): Promise<WorkStatus>;
}
