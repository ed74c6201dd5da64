import type { UserSpec } from '@postern/contracts';
import { failure } from '@postern/core';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';

const RoleNotFound = failure(
  'not_found',
  'resource.role_not_found',
  (role: string) => `role "${role}" is not found`,
);

const RoleInUse = failure(
  'failed_precondition',
  'resource.role_in_use',
  (role: string, user: string) => `role "${role}" is held by user "${user}": take it from its users first`,
);

/**
 * Refuses a user with a role that does not exist. The roles stay locked until the transaction ends, so that none of them is
 * deleted between the look and the write.
 */
export async function requireRoles(
  trx: Kysely<ResourceDb>,
  { roles }: Pick<UserSpec, 'roles'>,
): Promise<void> {
  if (roles.length === 0) return;
  const rows = await trx
    .selectFrom('resource')
    .select('id')
    .where('kind', '=', 'role')
    .where('id', 'in', roles)
    .orderBy('id')
    .forShare()
    .execute();
  const found = new Set(rows.map(({ id }) => id));
  const missing = roles.find((role) => !found.has(role));
  if (missing !== undefined) throw RoleNotFound(missing);
}

/** Refuses to delete a role that somebody holds. Call it after the role's row was deleted in the same transaction. */
export async function refuseHeldRole(trx: Kysely<ResourceDb>, role: string): Promise<void> {
  const holder = await trx
    .selectFrom('resource')
    .select('id')
    .where('kind', '=', 'user')
    .where(sql<boolean>`doc -> 'spec' -> 'roles' @> ${JSON.stringify([role])}::jsonb`)
    .limit(1)
    .executeTakeFirst();
  if (holder) throw RoleInUse(role, holder.id);
}
