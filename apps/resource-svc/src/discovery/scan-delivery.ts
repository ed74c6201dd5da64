import type { WorkDelivery } from '@postern/contracts';
import { failure } from '@postern/core';
import { DeliveryLost } from '@postern/work-groups';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';

/** A task that is no scan, or a group without a name. */
export const NoScan = failure(
  'invalid_argument',
  'resource.no_scan',
  (task: string) => `${JSON.stringify(task.slice(0, 100))} is no scan of an account and a region`,
);

/** The scan that a member is at: what it may speak of, and nothing else. */
export interface ScanInHand {
  readonly group: string;
  readonly account: string;
  readonly region: string;
  readonly matcherKey: string;
  readonly task: string;
  readonly slot: Date;
  readonly slotMs: number;
}

const taskPattern = /^eks\/(\d{12})\/([a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2})\/([0-9a-f]{16})$/;

/** Who speaks, of which delivery. */
export interface Speaking {
  readonly agentId: string;
  readonly delivery: WorkDelivery;
}

/** Refuses who does not hold the delivery that it speaks of: its lease is over, or it never had one. */
export async function requireScan(
  db: Kysely<ResourceDb>,
  { agentId, delivery }: Speaking,
): Promise<ScanInHand> {
  const { group, task, slot, attempt } = delivery;
  const row = await db
    .selectFrom('work_task')
    .select(['slot', 'slot_ms'])
    .where('group_name', '=', group)
    .where('slot', '=', new Date(slot))
    .where('task', '=', task)
    .where('state', '=', 'taken')
    .where('holder', '=', agentId)
    .where('attempt', '=', attempt)
    .forShare()
    .executeTakeFirst();
  if (!row) throw DeliveryLost(task);
  const [, account, region, matcherKey] = taskPattern.exec(task) ?? [];
  if (!account || !region || !matcherKey || group === '') throw NoScan(task);
  return { group, account, region, matcherKey, task, slot: row.slot, slotMs: row.slot_ms };
}
