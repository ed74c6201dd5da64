import { isMaskedName, InvalidResource, type Kind } from '@postern/contracts';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { idOf, type ResourceRef } from './resource-name.ts';
import { findByShownName, findResource, type ResourceRow } from './resource-table.ts';

/** Where resources are looked for. */
export interface LookupDeps {
  readonly db: Kysely<ResourceDb>;
  readonly clock: () => Date;
}

/**
 * What a name in a request means. A resource whose name may be secret is also found by the SHA-256 of its name, so that no
 * secret needs to stand in a URL, and by the masked name that lists show, where only one resource is shown under it.
 */
export async function refNamed(deps: LookupDeps, kind: Kind, name: string): Promise<ResourceRef> {
  const byName = { kind: kind.kind, id: idOf(kind, name) };
  if (!kind.secretName) return byName;
  if (isMaskedName(name)) return (await rowShownAs(deps, kind, name)) ?? byName;
  if (!/^[0-9a-f]{64}$/.test(name)) return byName;
  const byDigest = { kind: kind.kind, id: name };
  return (await findResource(deps.db, byDigest, deps.clock())) ? byDigest : byName;
}

/** The resource that is shown under a masked name, if there is one. */
export async function rowShownAs(
  { db }: LookupDeps,
  kind: Kind,
  name: string,
): Promise<ResourceRow | undefined> {
  const rows = await findByShownName(db, kind.kind, name);
  if (rows.length > 1)
    throw InvalidResource(`several ${kind.plural} are shown as ${name}: use the whole name`);
  return rows[0];
}
