import { toAppError } from '@postern/core';
import type { Counter, Meter } from '@postern/telemetry';
import type { WorkTask } from './work-task.ts';

/** What the broker counts. Groups are not among the labels: their names are free, and there may be many. */
export class BrokerMetrics {
  readonly #queued: Counter;
  readonly #taken: Counter;
  readonly #ended: Counter;
  readonly #refused: Counter;

  constructor(meter: Meter) {
    const counter = (name: string, description: string) => meter.createCounter(name, { description });
    this.#queued = counter(
      'work_tasks_queued_total',
      'Tasks of time slots that were new when they were offered.',
    );
    this.#taken = counter(
      'work_tasks_taken_total',
      'Tasks handed to a member, by whether it was the first time.',
    );
    this.#ended = counter('work_tasks_ended_total', 'Tasks that ended, by how.');
    this.#refused = counter('work_requests_refused_total', 'Requests of members that were refused, by why.');
  }

  queued(count: number): void {
    if (count > 0) this.#queued.add(count);
  }

  taken({ attempt }: WorkTask): void {
    this.#taken.add(1, { again: attempt > 1 });
  }

  ended(state: WorkTask['state']): void {
    this.#ended.add(1, { state });
  }

  refused(error: unknown): void {
    this.#refused.add(1, { code: toAppError(error).code });
  }
}
