import type { Kind, Resource } from '@postern/contracts';
import { derivedUuid, isPlainObject, type Secret } from '@postern/core';
import { CannotUnseal, type Sealer } from '@postern/identity';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { isNameSecret, publicName, type ResourceRef } from './resource-name.ts';

/** A sealed secret on its way into the store. */
export interface SealedSecret {
  readonly ref: string;
  readonly path: string;
  readonly sealed: string;
}

/** A resource taken apart into what everyone may see and what is sealed. */
export interface SplitResource {
  readonly resource: Resource;
  /** Plain values by path. */
  readonly secrets: ReadonlyMap<string, string>;
}

export const namePath = 'metadata.name';

/** Takes the secret fields out of a resource. A secret name leaves its masked form behind. */
export function splitSecrets(kind: Kind, resource: Resource<unknown>): SplitResource {
  const copy = structuredClone(resource) as Resource;
  const secrets = new Map<string, string>();
  for (const path of kind.secretPaths) {
    const { parent, field } = placeOf(copy, path);
    const value = parent?.[field];
    if (typeof value !== 'string') continue;
    secrets.set(path, value);
    delete parent?.[field];
  }
  if (!isNameSecret(kind, resource)) return { resource: copy, secrets };
  secrets.set(namePath, resource.metadata.name);
  return { resource: { ...copy, metadata: { ...copy.metadata, name: publicName(kind, resource) } }, secrets };
}

/** The secret paths that a document empties on purpose, which is not the same as leaving them out. */
export function emptiedPaths(kind: Kind, document: unknown): string[] {
  return kind.secretPaths.filter((path) => {
    const { parent, field } = placeOf(document, path);
    return parent !== undefined && Object.hasOwn(parent, field) && String(parent[field]).trim() === '';
  });
}

/** The document with an empty text in the place of a secret, which takes the secret away. */
export function blankAt<Document extends object>(document: Document, path: string): Document {
  const copy = structuredClone(document);
  const { parent, field } = placeOf(copy, path);
  if (parent) parent[field] = '';
  return copy;
}

/** Puts opened secrets back where they belong. */
export function joinSecrets(document: Resource, secrets: ReadonlyMap<string, Secret>): Resource {
  const copy = structuredClone(document);
  for (const [path, secret] of secrets) {
    const { parent, field } = placeOf(copy, path);
    if (parent) parent[field] = secret.reveal();
  }
  return copy;
}

/** Seals each secret for its place. The refs follow from the command, so that a retry means the same rows. */
export async function sealSecrets(
  sealer: Sealer,
  ref: ResourceRef,
  secrets: ReadonlyMap<string, string>,
  commandId: string,
): Promise<SealedSecret[]> {
  return Promise.all(
    [...secrets].map(async ([path, plain]) => ({
      ref: derivedUuid('secret', commandId, path),
      path,
      sealed: await sealer.seal(plain, contextOf(ref, path)),
    })),
  );
}

/** Makes the store hold exactly these secrets of a resource: new rows come in, rows without a ref are shredded. */
export async function storeSecrets(
  db: Kysely<ResourceDb>,
  { kind, id }: ResourceRef,
  sealed: readonly SealedSecret[],
  refs: readonly string[],
): Promise<void> {
  const added = sealed.filter(({ ref }) => refs.includes(ref)).map((each) => ({ ...each, kind, id }));
  if (added.length > 0) {
    await db
      .insertInto('resource_secret')
      .values(added)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  const stale = db.deleteFrom('resource_secret').where('kind', '=', kind).where('id', '=', id);
  await (refs.length > 0 ? stale.where('ref', 'not in', refs) : stale).execute();
}

/** Opens the secrets of a resource. */
export async function openSecrets(
  { db, sealer }: { readonly db: Kysely<ResourceDb>; readonly sealer: Sealer },
  ref: ResourceRef,
  refs: Readonly<Record<string, string>>,
): Promise<Map<string, Secret>> {
  const [opened] = await openSecretsOfAll({ db, sealer }, [{ ...ref, secrets: refs }]);
  return opened!;
}

/**
 * The rows that hold the same values already, by path, so that writing a document back as it was read with its secrets changes
 * nothing. A row that cannot be opened any more holds another value.
 */
export async function sameSecrets(
  deps: { readonly db: Kysely<ResourceDb>; readonly sealer: Sealer },
  { secrets: stored, ...ref }: ResourceRef & { readonly secrets: Readonly<Record<string, string>> },
  secrets: ReadonlyMap<string, string>,
): Promise<Record<string, string>> {
  const same: Record<string, string> = {};
  for (const [path, plain] of secrets) {
    const row = stored[path];
    if (row === undefined) continue;
    const opened = await openSecrets(deps, ref, { [path]: row }).catch(ignoreUnreadable);
    if (opened?.get(path)?.reveal() === plain) same[path] = row;
  }
  return same;
}

function ignoreUnreadable(error: unknown): undefined {
  if (!CannotUnseal.is(error)) throw error;
  return undefined;
}

/** Opens the secrets of many resources, in the order of these. */
export async function openSecretsOfAll(
  { db, sealer }: { readonly db: Kysely<ResourceDb>; readonly sealer: Sealer },
  resources: readonly (ResourceRef & { readonly secrets: Readonly<Record<string, string>> })[],
): Promise<Map<string, Secret>[]> {
  const wanted = resources.flatMap(({ secrets }) => Object.values(secrets));
  if (wanted.length === 0) return resources.map(() => new Map());
  const rows = await db
    .selectFrom('resource_secret')
    .select(['ref', 'path', 'sealed'])
    .where('ref', 'in', wanted)
    .execute();
  const byRef = new Map(rows.map((row) => [row.ref, row]));
  return Promise.all(
    resources.map(async (resource) => {
      const found = Object.values(resource.secrets).flatMap((ref) => byRef.get(ref) ?? []);
      const opened = found.map(
        async ({ path, sealed }) => [path, await sealer.unseal(sealed, contextOf(resource, path))] as const,
      );
      return new Map(await Promise.all(opened));
    }),
  );
}

function contextOf({ kind, id }: ResourceRef, path: string): string {
  return JSON.stringify(['resource', kind, id, path]);
}

interface Place {
  readonly parent: Record<string, unknown> | undefined;
  readonly field: string;
}

function placeOf(root: unknown, path: string): Place {
  const steps = path.split('.');
  const field = steps.pop()!;
  let parent: unknown = root;
  for (const step of steps)
    parent = isPlainObject(parent) && Object.hasOwn(parent, step) ? parent[step] : undefined;
  return { parent: isPlainObject(parent) ? parent : undefined, field };
}
