import type { Clock } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';

/** A delivery of a task, as its work sees it. */
export interface Run {
  /** Milliseconds since 1970 at which the slot begins. */
  readonly slot: number;
  /** From 1; more than 1 when somebody had it before and did not end it. */
  readonly attempt: number;
  /** Aborted when the task is no longer this member's, or the group is left. */
  readonly signal: AbortSignal;
}

/** How a run ended. `lost`: the task was given on meanwhile, and what this run did does not count. */
export interface RunResult extends Pick<Run, 'slot' | 'attempt'> {
  readonly task: string;
  readonly outcome: 'done' | 'failed' | 'returned' | 'lost';
  /** What the work returned, when it is done. */
  readonly value?: unknown;
  /** Why it is not. */
  readonly error?: unknown;
}

/** What a member knows and does. */
export interface GroupOptions {
  readonly agentId: string;
  readonly group: string;
  /** Length of a time slot in milliseconds, a second at least. Each task is done once in each. */
  readonly slotMs: number;
  /**
   * The tasks of a slot, as far as this member knows: members need not know the same. Each at most 256 characters, 500 of them.
   * In a slot of minutes it is asked every minute, and what it names then is added.
   */
  readonly tasksOf: (slot: number) => readonly string[] | Promise<readonly string[]>;
  /**
   * Does a task. What it returns is JSON, is stored as the task's result and shown, and so holds no secret. What it throws is
   * its failure: the task is tried again, by whoever is free.
   */
  readonly run: (task: string, run: Run) => Promise<unknown>;
  /** Told of each run of this member, when the broker has taken note of its end. */
  readonly onResult?: (result: RunResult) => void;
  /** How many tasks to run at the same time; 1 when absent. */
  readonly concurrency?: number;
  readonly telemetry?: Telemetry;
  /** The machine's time, which is compared with the server's. */
  readonly clock?: Clock;
}
