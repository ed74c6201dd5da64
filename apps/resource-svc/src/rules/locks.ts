import { lockText } from '@postern/access';
import { type LockSpec, type LockTarget, lockTargetOf, type Resource } from '@postern/contracts';
import { failure } from '@postern/core';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';

export const CallerLocked = failure(
  'permission_denied',
  'resource.caller_locked',
  (why: string) => `access denied: ${why}`,
);

const LocksItsAuthor = failure(
  'failed_precondition',
  'resource.locks_its_author',
  (field: string, value: string) =>
    `the lock would be on yourself, by ${field} ${JSON.stringify(value)}, and you could not take it back: let somebody else make it`,
);

/** What of a caller a lock can be on. */
export interface Lockable {
  readonly user: string;
  readonly roles: readonly string[];
  readonly session?: string | undefined;
}

/** Refuses a caller on whom, or on one of whose roles, a lock is. Read at each call, as roles are. */
export async function refuseLocked(db: Kysely<ResourceDb>, caller: Lockable, now: Date): Promise<void> {
  const rows = await db
    .selectFrom('resource')
    .select(['id', 'doc'])
    .where('kind', '=', 'lock')
    .where((eb) => eb.or([eb('expires', 'is', null), eb('expires', '>', now)]))
    .where(
      sql<boolean>`(
        doc #>> '{spec,target,user}' = ${caller.user}
        or doc #>> '{spec,target,role}' = any(${[...caller.roles]}::text[])
        or doc #>> '{spec,target,session}' = ${caller.session ?? ''}
      )`,
    )
    .orderBy('id')
    .limit(1)
    .execute();
  const [lock] = rows;
  if (!lock) return;
  const spec = lock.doc.spec as unknown as LockSpec;
  throw CallerLocked(lockText({ target: lockTargetOf(spec), message: spec.message ?? '' }));
}

/** Refuses a lock that its author could not remove any more. One's own session may be locked: that is how it is ended. */
export function refuseLockOnAuthor({ spec }: Resource<LockSpec>, caller: Lockable): void {
  const target = lockTargetOf(spec);
  if (isOnAuthor(target, caller)) throw LocksItsAuthor(target.field, target.value);
}

function isOnAuthor({ field, value }: LockTarget, { user, roles }: Lockable): boolean {
  if (field === 'user') return value === user;
  return field === 'role' && roles.includes(value);
}
