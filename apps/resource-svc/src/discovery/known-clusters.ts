import {
  discoveryLabels,
  kubeClusterKind,
  type KnownClustersPage,
  type PublicResource,
} from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import type { ScanInHand } from './scan-delivery.ts';

const pageSize = 200;
/** A page travels as one message of at most a megabyte. */
const maxPageLength = 600_000;

const groupOf = sql<string>`doc -> 'metadata' -> 'labels' ->> ${sql.lit(discoveryLabels.group)}`;

/** A page of the clusters of a scan's group, account and region, by name. */
export async function knownClusters(
  db: Kysely<ResourceDb>,
  { group, account, region }: ScanInHand,
  after: string,
): Promise<KnownClustersPage> {
  const rows = await db
    .selectFrom('resource')
    .select(['id', 'doc'])
    .where('kind', '=', kubeClusterKind.kind)
    .where(groupOf, '=', group)
    .where(sql<boolean>`doc -> 'spec' -> 'aws' ->> 'account_id' = ${account}`)
    .where(sql<boolean>`doc -> 'spec' -> 'aws' ->> 'region' = ${region}`)
    .where('id', '>', after)
    .orderBy('id')
    .limit(pageSize)
    .execute();
  const clusters = fitting(rows.map(({ doc }) => doc));
  const isLast = clusters.length === rows.length && rows.length < pageSize;
  return { clusters, next: isLast ? '' : clusters.at(-1)!.metadata.name };
}

/** How many clusters a group has in all. */
export async function countClusters(db: Kysely<ResourceDb>, group: string): Promise<number> {
  const { count } = await db
    .selectFrom('resource')
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .where('kind', '=', kubeClusterKind.kind)
    .where(groupOf, '=', group)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** One at least: a page that stands still would be asked for without end. */
function fitting(docs: readonly PublicResource[]): PublicResource[] {
  let length = 0;
  return docs.filter((doc, index) => (length += JSON.stringify(doc).length) <= maxPageLength || index === 0);
}
