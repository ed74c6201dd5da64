import type { WorkOffer, WorkOfferReply } from '@postern/contracts';
import { slotAt } from '../slot.ts';
import type { Broker } from './broker.ts';
import type { WorkRequest } from './messages.ts';

/**
 * Queues the tasks of the present slot. The record of a task is made first: it knows for as long as anybody may ask that the
 * task was there, when the queue has long forgotten it. What a crash in between leaves out of the queue, the next offer puts in.
 */
export async function offerTasks(
  { records, queue, metrics, ended }: Broker,
  { agentId, body }: WorkRequest<WorkOffer>,
): Promise<WorkOfferReply> {
  const { group, slotMs, tasks } = body;
  const now = await records.now();
  const slot = slotAt(now, slotMs);
  if (body.slot !== slot) return { now, slot, queued: 0 };
  const { waiting, added } = await records.offer({ agentId, group, slot, slotMs, tasks });
  await Promise.all(waiting.map((task) => queue.put({ group, slot, task })));
  metrics.queued(added);
  if (added > 0) ended(await records.tidy(group));
  return { now, slot, queued: added };
}
