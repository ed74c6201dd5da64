import { InventoryStatus } from '@postern/contracts';
import { route } from '@postern/http';
import { type Kysely, sql } from 'kysely';
import type { InventoryDb } from '../database.ts';
import { may, type ServiceDeps } from '../service-deps.ts';
import { remembered } from './find-agents.ts';

export const showStatus = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/status',
  allow: may('list', 'instance'),
  reply: InventoryStatus,
  handle: ({ db, clock, retentionMs }) => countAgents(db, new Date(clock().getTime() - retentionMs)),
});

interface Count {
  readonly name: string;
  readonly count: number;
}

/** Counts agents by what they are; an agent with two services counts for both. Those that are offline count if they were heard of since. */
export async function countAgents(db: Kysely<InventoryDb>, since: Date): Promise<InventoryStatus> {
  const agents = () => remembered(db, { since, onlineOnly: false });
  const count = sql<number>`count(*)`.as('count');
  const [{ total }, versions, services] = await Promise.all([
    agents()
      .select(sql<number>`count(*)`.as('total'))
      .executeTakeFirstOrThrow(),
    agents().select(['version as name', count]).groupBy('version').orderBy('version').execute(),
    agents()
      .select([sql<string>`unnest(services)`.as('name'), count])
      .groupBy('name')
      .orderBy('name')
      .execute(),
  ]);
  return { versions: byName(versions), upgraders: {}, services: byName(services), total };
}

function byName(counts: readonly Count[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ name, count }) => [name, count]));
}
