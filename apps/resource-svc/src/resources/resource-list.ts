import { ResourceDeleted, ResourceUpserted } from '@postern/contracts';
import { deleteRows, type EventAmong, onManyOf, projection, putRows } from '@postern/projections';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { streamOf } from './resource-name.ts';

type Db = Kysely<ResourceDb>;
type Change = EventAmong<typeof ResourceUpserted | typeof ResourceDeleted>;
type ChangeOf<Type> = Extract<Change, { readonly type: Type }>;

const there = { table: 'resource', key: ['kind', 'id'] } as const;
const gone = { table: 'resource_gone', key: ['kind', 'id'] } as const;

/** What is there, and what is gone. Written with the events, so that a caller reads its own writes. */
export const resourceList = projection<ResourceDb>(
  'resource_list',
  1,
  ['resource', 'resource_gone'],
  onManyOf([ResourceUpserted, ResourceDeleted], write),
);

/** Of several changes of a resource only the last is left to be seen. */
async function write(db: Db, changes: readonly Change[]): Promise<void> {
  const last = [...new Map(changes.map((change) => [streamOf(change.data), change])).values()];
  await put(
    db,
    last.filter((change) => change.type === 'ResourceUpserted'),
  );
  await remove(
    db,
    last.filter((change) => change.type === 'ResourceDeleted'),
  );
}

async function put(db: Db, changes: readonly ChangeOf<'ResourceUpserted'>[]): Promise<void> {
  await putRows(
    db,
    there,
    changes.map(({ data: { kind, id, resource, secrets }, event: { version } }) => {
      const { expires } = resource.metadata;
      return {
        kind,
        id,
        version,
        doc: resource,
        secrets,
        expires: expires === undefined ? null : new Date(expires),
      };
    }),
  );
  await deleteRows(
    db,
    gone,
    changes.map(({ data: { kind, id } }) => ({ kind, id })),
  );
}

async function remove(db: Db, changes: readonly ChangeOf<'ResourceDeleted'>[]): Promise<void> {
  const keys = changes.map(({ data: { kind, id } }) => ({ kind, id }));
  await deleteRows(db, there, keys);
  await putRows(
    db,
    gone,
    changes.map(({ data: { kind, id }, event: { version, at } }) => ({ kind, id, version, at })),
  );
}
