import type { PulledTask } from '@postern/bus';
import type { WorkTake, WorkTakeReply } from '@postern/contracts';
import { assertNever } from '@postern/core';
import type { Broker } from './broker.ts';
import type { WorkRequest } from './messages.ts';
import { WorkLimitReached } from './work-records.ts';
import { take, type Taking } from './work-task.ts';

/** A member asks with as many requests as it can run tasks. */
const maxTakesPerAgent = 32;
const retryMs = 1_000;

/** Hands out the next task of a group that somebody should run. */
export async function takeTask(
  broker: Broker,
  { agentId, body }: WorkRequest<WorkTake>,
): Promise<WorkTakeReply> {
  const { takers } = broker;
  const asking = (takers.get(agentId) ?? 0) + 1;
  if (asking > maxTakesPerAgent) throw WorkLimitReached('tasks at a time');
  takers.set(agentId, asking);
  try {
    return await nextTask(broker, agentId, body);
  } finally {
    const left = (takers.get(agentId) ?? 1) - 1;
    if (left > 0) takers.set(agentId, left);
    else takers.delete(agentId);
  }
}

async function nextTask(
  broker: Broker,
  agentId: string,
  { group, waitMs }: WorkTake,
): Promise<WorkTakeReply> {
  const { queue, limits, metrics } = broker;
  const end = performance.now() + waitMs;
  for (;;) {
    const pulled = await queue.pull(group, Math.max(0, Math.round(end - performance.now())));
    if (!pulled) return { leaseMs: limits.leaseMs };
    const taking = await decide(broker, agentId, pulled);
    await follow(broker, pulled, taking);
    if (taking.step !== 'run') continue;
    metrics.taken(taking.task);
    const { slot, task, attempt } = taking.task;
    return { leaseMs: limits.leaseMs, delivery: { group, slot, task, attempt } };
  }
}

async function decide(
  { queue, records, limits }: Broker,
  holder: string,
  pulled: PulledTask,
): Promise<Taking> {
  try {
    return await records.change(pulled, (task, now) => {
      const taking = take(task, { ...limits, holder, ack: pulled.ack }, now);
      return { answer: taking, ...('task' in taking ? { task: taking.task } : {}) };
    });
  } catch (error) {
    queue.again(pulled.ack, retryMs);
    throw error;
  }
}

/** Tells the queue what the record says. What it does not hear, it delivers again, and is told again. */
async function follow({ queue, ended }: Broker, { ack }: PulledTask, taking: Taking): Promise<void> {
  const { step } = taking;
  switch (step) {
    case 'run':
      return;
    case 'later':
      return queue.again(ack, taking.afterMs);
    case 'forget':
      return queue.finish(ack);
    case 'end':
      ended([taking.task]);
      return queue.finish(ack);
    default:
      return assertNever(step);
  }
}
