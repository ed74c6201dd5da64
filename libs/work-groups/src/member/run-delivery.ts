import type { WorkDelivery, WorkSettle } from '@postern/contracts';
import { AppError, delay, failure, type Json, messageOf, parseJson } from '@postern/core';
import { DeliveryLost } from '../broker/work-task.ts';
import { maxReasonLength, maxResultLength } from '../limits.ts';
import type { BrokerClient } from './broker-client.ts';
import type { GroupOptions, RunResult } from './group-options.ts';
import { Lease } from './lease.ts';

/** Work that returned what cannot be stored as its result. */
export const InvalidResult = failure(
  'invalid_argument',
  'work.invalid_result',
  (why: string) => `the result of a task must be JSON of at most ${maxResultLength} characters: ${why}`,
);

/** What a run needs. */
export interface RunDeps {
  readonly broker: BrokerClient;
  readonly run: GroupOptions['run'];
  /** Aborted when the member leaves the group. */
  readonly leaving: AbortSignal;
}

const retryMs = 200;

/**
 * Runs a delivered task and says how it ended. While it runs the broker is told so; when it has not heard of that for the time
 * of the lease somebody else may have the task, and the run is aborted.
 */
export async function runDelivery(
  { broker, run, leaving }: RunDeps,
  delivery: WorkDelivery,
  leaseMs: number,
): Promise<RunResult> {
  const lease = new Lease(broker, delivery, leaseMs);
  const signal = AbortSignal.any([lease.lost, leaving]);
  const { slot, task, attempt } = delivery;
  let ended: Ended;
  try {
    ended = { outcome: 'done', value: resultOf(await run(task, { slot, attempt, signal })) };
  } catch (error) {
    ended = { outcome: leaving.aborted ? 'returned' : 'failed', error };
  }
  await lease.stop();
  const wasHeard = await settleWhileHeld(broker, settlementOf(delivery, ended), lease);
  return { slot, task, attempt, ...ended, ...(wasHeard ? {} : { outcome: 'lost' }) };
}

type Ended = Pick<RunResult, 'value' | 'error'> & Pick<WorkSettle, 'outcome'>;

/** Says how the run ended until the broker has heard it, or somebody else may have the task. */
async function settleWhileHeld(broker: BrokerClient, settlement: WorkSettle, lease: Lease): Promise<boolean> {
  do {
    try {
      await broker.settle(settlement);
      return true;
    } catch (error) {
      if (DeliveryLost.is(error) || isRefused(error)) return false;
      await delay(retryMs);
    }
  } while (lease.isHeld);
  return false;
}

function isRefused(error: unknown): boolean {
  return (
    error instanceof AppError && (error.kind === 'invalid_argument' || error.kind === 'permission_denied')
  );
}

function settlementOf(delivery: WorkDelivery, { outcome, value, error }: Ended): WorkSettle {
  const { group, slot, task, attempt } = delivery;
  const settlement = { group, slot, task, attempt, outcome };
  if (outcome === 'failed') return { ...settlement, reason: reasonOf(error) };
  return value === undefined ? settlement : { ...settlement, result: value };
}

/** The result as it will be read: what JSON cannot carry is the failure of the run. */
function resultOf(value: unknown): Json | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
    if (text === undefined) return undefined;
    if (text.length <= maxResultLength) return parseJson(text);
  } catch (error) {
    throw InvalidResult.from(error, messageOf(error));
  }
  throw InvalidResult(`it has ${text.length}`);
}

function reasonOf(error: unknown): string {
  return messageOf(error).replaceAll('\0', '').slice(0, maxReasonLength).toWellFormed();
}
