import { type DataOf, ResourceDeleted, ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { on, projection } from '@postern/projections';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';

type Db = Kysely<ResourceDb>;

/** What is there, and what is gone. Written with the events, so that a caller reads its own writes. */
export const resourceList = projection<ResourceDb>(
  'resource_list',
  1,
  ['resource', 'resource_gone'],
  on(ResourceUpserted, put),
  on(ResourceDeleted, remove),
);

async function put(db: Db, data: DataOf<typeof ResourceUpserted>, { version }: StoredEvent): Promise<void> {
  const { kind, id, resource, secrets } = data;
  const { expires } = resource.metadata;
  const columns = {
    version,
    doc: JSON.stringify(resource),
    secrets: JSON.stringify(secrets),
    expires: expires === undefined ? null : new Date(expires),
  };
  await db
    .insertInto('resource')
    .values({ kind, id, ...columns })
    .onConflict((conflict) => conflict.columns(['kind', 'id']).doUpdateSet(columns))
    .execute();
  await db.deleteFrom('resource_gone').where('kind', '=', kind).where('id', '=', id).execute();
}

async function remove(
  db: Db,
  { kind, id }: DataOf<typeof ResourceDeleted>,
  event: StoredEvent,
): Promise<void> {
  const columns = { version: event.version, at: new Date(event.at) };
  await db.deleteFrom('resource').where('kind', '=', kind).where('id', '=', id).execute();
  await db
    .insertInto('resource_gone')
    .values({ kind, id, ...columns })
    .onConflict((conflict) => conflict.columns(['kind', 'id']).doUpdateSet(columns))
    .execute();
}
