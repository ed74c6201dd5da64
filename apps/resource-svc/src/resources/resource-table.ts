import type { PublicResource, Resource } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { isExpired } from './resource.ts';
import { type ResourceRef, revisionOf } from './resource-name.ts';

/** A resource that is there. */
export interface ResourceRow extends ResourceRef {
  readonly version: number;
  readonly doc: PublicResource;
  readonly labels: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

type Db = Kysely<ResourceDb>;

const columns = ['kind', 'id', 'version', 'doc', 'secrets'] as const;

/** The resource, unless it is gone or its time has passed. */
export async function findResource(db: Db, ref: ResourceRef, now: Date): Promise<ResourceRow | undefined> {
  const [row] = await findResources(db, [ref]);
  return row && !isExpired(row.doc, now) ? row : undefined;
}

/** The resources that are there, expired or not. */
export async function findResources(db: Db, refs: readonly ResourceRef[]): Promise<ResourceRow[]> {
  if (refs.length === 0) return [];
  const kinds = refs.map(({ kind }) => kind);
  const ids = refs.map(({ id }) => id);
  const rows = await db
    .selectFrom('resource')
    .select(columns)
    .where(sql<boolean>`(kind, id) in (select * from unnest(${kinds}::text[], ${ids}::text[]))`)
    .execute();
  return rows.map(rowOf);
}

/** Resources that are shown under a name, which several tokens can share. */
export async function findByShownName(db: Db, kind: string, name: string): Promise<ResourceRow[]> {
  const rows = await db
    .selectFrom('resource')
    .select(columns)
    .where('kind', '=', kind)
    .where(sql<boolean>`doc -> 'metadata' ->> 'name' = ${name}`)
    .limit(2)
    .execute();
  return rows.map(rowOf);
}

/** Every resource of a kind that has not expired, by the name it is shown under. */
export async function listResources(db: Db, kind: string, now: Date): Promise<ResourceRow[]> {
  const rows = await db.selectFrom('resource').select(columns).where('kind', '=', kind).execute();
  const alive = rows.map(rowOf).filter((row) => !isExpired(row.doc, now));
  return alive.toSorted((a, b) => compare(a.doc.metadata.name, b.doc.metadata.name) || compare(a.id, b.id));
}

/** The row as a document that carries its revision and no secret. */
export function documentOf(row: Pick<ResourceRow, 'kind' | 'id' | 'version' | 'doc'>): Resource {
  const revision = revisionOf(row, row.version);
  return { ...row.doc, metadata: { ...row.doc.metadata, revision } };
}

function rowOf(row: Omit<ResourceRow, 'labels'>): ResourceRow {
  return { ...row, labels: row.doc.metadata.labels ?? {} };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
