import type { Bus, BusMessage, WorkQueue } from '@postern/bus';
import { anyAgent } from '@postern/contracts';
import { failure } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { BrokerMetrics } from './broker-metrics.ts';
import { offerTasks } from './offer-tasks.ts';
import { readRequest, requests, senderOf } from './messages.ts';
import { extendTask, settleTask } from './settle-task.ts';
import { takeTask } from './take-task.ts';
import type { WorkRecords } from './work-records.ts';
import type { WorkLimits, WorkTask } from './work-task.ts';

/** Somebody who is no member of any group. */
export const WorkForbidden = failure(
  'permission_denied',
  'work.forbidden',
  () => 'work groups are for agents with the role Discovery',
);

/** What the broker runs on. */
export interface BrokerDeps {
  readonly bus: Bus;
  readonly queue: WorkQueue;
  readonly records: WorkRecords;
  readonly limits: WorkLimits;
  /** Whether an agent may be in a group. The bus asks this too; a bus without credentials does not. */
  readonly mayWork: (agentId: string) => Promise<boolean>;
  readonly telemetry: Telemetry;
}

/** The broker's parts, and what they count. */
export interface Broker extends BrokerDeps {
  readonly metrics: BrokerMetrics;
  /** A task has come to an end that no member told: it was lost too often, or its slot is over. */
  readonly ended: (tasks: readonly WorkTask[]) => void;
  /** How many tasks each agent waits for. */
  readonly takers: Map<string, number>;
  /** Agents that may work, and until when that is not asked again. */
  readonly members: Map<string, number>;
}

const queueName = 'resource-svc';
const maxMembers = 10_000;
const knownMs = 5_000;

/**
 * Answers the members of work groups. Members have no right in JetStream: a consumer's delivery subject would let them write
 * anywhere. So every replica of a service does for them what they may do, and keeps nothing: any replica answers anybody.
 */
export function serveWork(deps: BrokerDeps): Disposable {
  const metrics = new BrokerMetrics(deps.telemetry.meter);
  const broker: Broker = {
    ...deps,
    metrics,
    takers: new Map(),
    members: new Map(),
    ended: (tasks) => tell(deps, metrics, tasks),
  };
  const subscriptions = [
    answer(broker, anyAgent.workOffer, async (message) =>
      offerTasks(broker, readRequest(message, requests.offer)),
    ),
    answer(broker, anyAgent.workTake, async (message) =>
      takeTask(broker, readRequest(message, requests.take)),
    ),
    answer(broker, anyAgent.workExtend, async (message) =>
      extendTask(broker, readRequest(message, requests.extend)),
    ),
    answer(broker, anyAgent.workSettle, async (message) =>
      settleTask(broker, readRequest(message, requests.settle)),
    ),
    answer(broker, anyAgent.workStatus, async (message) =>
      deps.records.status(readRequest(message, requests.status).body.group),
    ),
  ];
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

function answer(
  broker: Broker,
  subject: string,
  handle: (message: BusMessage) => Promise<unknown>,
): { unsubscribe(): void } {
  return broker.bus.subscribe(subject, { queue: queueName }, async (message) => {
    try {
      await requireMember(broker, senderOf(message));
      message.respond(await handle(message));
    } catch (error) {
      broker.metrics.refused(error);
      throw error;
    }
  });
}

/** Asked anew every few seconds: a bus that cannot be told of revoked agents goes on bringing what they say. */
async function requireMember({ mayWork, members }: Broker, agentId: string): Promise<void> {
  const now = performance.now();
  if (now < (members.get(agentId) ?? 0)) return;
  if (!(await mayWork(agentId))) {
    members.delete(agentId);
    throw WorkForbidden();
  }
  if (members.size >= maxMembers) members.clear();
  members.set(agentId, now + knownMs);
}

function tell({ telemetry }: BrokerDeps, metrics: BrokerMetrics, tasks: readonly WorkTask[]): void {
  for (const { group, task, slot, state, attempt, reason = '' } of tasks) {
    metrics.ended(state);
    const fields = { group, task, slot: new Date(slot).toISOString(), attempt, reason };
    telemetry.log.warn(state === 'failed' ? 'a task failed' : 'a task was dropped', fields);
  }
}
