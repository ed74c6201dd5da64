import { ResourceDeleted, ResourceUpserted } from '@postern/contracts';
import { type EventAmong, onManyOf, projection, putRows } from '@postern/projections';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { userOf } from './resource-change.ts';

type Change = EventAmong<typeof ResourceUpserted | typeof ResourceDeleted>;

/** Every change of every resource, in the order of time. Behind the bus: a write does not wait for it. */
export const changeList = projection<ResourceDb>(
  'change_list',
  1,
  ['resource_change'],
  onManyOf([ResourceUpserted, ResourceDeleted], write),
);

const changes = { table: 'resource_change', key: ['event_id'] } as const;

async function write(db: Kysely<ResourceDb>, recorded: readonly Change[]): Promise<void> {
  await putRows(
    db,
    changes,
    recorded.map(({ data, event }) => ({
      event_id: event.id,
      kind: data.kind,
      id: data.id,
      version: event.version,
      name: 'resource' in data ? data.resource.metadata.name : '',
      by_user: userOf(event.meta.actor),
      at: event.at,
    })),
  );
}
