import { InvalidResource, isMaskedName, type Kind } from '@postern/contracts';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { type LookupDeps, rowShownAs } from '../resources/find-target.ts';
import { idOf, type ResourceRef } from '../resources/resource-name.ts';
import { newestSteps } from './recorded.ts';

/**
 * What a name in a request means, for resources that may be gone: the name, the SHA-256 of a name that may be secret, or the
 * masked form of one.
 */
export async function recordedRef(deps: LookupDeps, kind: Kind, name: string): Promise<ResourceRef> {
  const byName = { kind: kind.kind, id: idOf(kind, name) };
  if (!kind.secretName) return byName;
  if (isMaskedName(name)) return (await refShownAs(deps, kind, name)) ?? byName;
  if (!/^[0-9a-f]{64}$/.test(name)) return byName;
  const byDigest = { kind: kind.kind, id: name };
  return (await newestSteps(deps.db, byDigest, { limit: 1 })).length > 0 ? byDigest : byName;
}

/** How a resource is called in messages: a name that may be secret is not repeated. */
export function wordsFor({ kind, secretName }: Kind, name: string): string {
  return secretName && !isMaskedName(name) ? `${kind} of that name` : `${kind} "${name}"`;
}

/** The one that is there, or else the one that was. */
async function refShownAs(deps: LookupDeps, kind: Kind, name: string): Promise<ResourceRef | undefined> {
  const row = await rowShownAs(deps, kind, name);
  return row ? { kind: row.kind, id: row.id } : goneRefShownAs(deps.db, kind, name);
}

async function goneRefShownAs(
  db: Kysely<ResourceDb>,
  { kind, plural }: Kind,
  name: string,
): Promise<ResourceRef | undefined> {
  const rows = await db
    .selectFrom('resource_change')
    .select('id')
    .distinct()
    .where('kind', '=', kind)
    .where('name', '=', name)
    .limit(2)
    .execute();
  if (rows.length > 1) throw InvalidResource(`several ${plural} were shown as ${name}: use the whole name`);
  return rows[0] && { kind, id: rows[0].id };
}
