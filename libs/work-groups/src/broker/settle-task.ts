import type { WorkDelivery, WorkSettle } from '@postern/contracts';
import { messageOf } from '@postern/core';
import type { Broker } from './broker.ts';
import type { WorkRequest } from './messages.ts';
import { extend, isEnded, settle, type Settling } from './work-task.ts';

/** Notes that a member is still at its task. */
export async function extendTask(
  { records, queue, limits }: Broker,
  { agentId, body }: WorkRequest<WorkDelivery>,
): Promise<Record<string, never>> {
  const claim = { ...body, holder: agentId };
  const ack = await records.change(body, (task, now) => {
    const extended = extend(task, claim, { now, leaseMs: limits.leaseMs });
    return { task: extended, answer: extended.ack };
  });
  if (ack !== undefined) queue.extend(ack);
  return {};
}

/**
 * Notes how a delivery ended. Once that is recorded it holds, whether the queue hears of it or not: what it delivers again is
 * forgotten then.
 */
export async function settleTask(
  broker: Broker,
  { agentId, body }: WorkRequest<WorkSettle>,
): Promise<Record<string, never>> {
  const { records, limits, metrics, ended } = broker;
  const settlement = { ...body, holder: agentId };
  const { ack, settling } = await records.change(body, (task, now) => {
    const settling = settle(task, settlement, { now, maxAttempts: limits.maxAttempts });
    const answer = { ack: task?.ack, settling };
    return settling.task ? { task: settling.task, answer } : { answer };
  });
  const { task } = settling;
  if (task?.state === 'failed') ended([task]);
  else if (task && isEnded(task)) metrics.ended(task.state);
  if (task && ack !== undefined) await tellQueue(broker, ack, settling);
  return {};
}

async function tellQueue(
  { queue, telemetry }: Broker,
  ack: string,
  { againAfterMs }: Settling,
): Promise<void> {
  if (againAfterMs !== undefined) return queue.again(ack, againAfterMs);
  await queue.finish(ack).catch((error: unknown) => {
    telemetry.log.debug('the queue was not told that a task is over', { error: messageOf(error) });
  });
}
