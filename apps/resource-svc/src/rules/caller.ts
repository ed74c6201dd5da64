import { explainMissing, mayRule, userNameOf } from '@postern/access';
import { type Role, type UserSpec } from '@postern/contracts';
import { failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { findResource, findResources } from '../resources/resource-table.ts';
import { isExpired } from '../resources/resource.ts';
import { refuseLocked } from './locks.ts';

export const AccessDenied = failure('permission_denied', 'resource.access_denied', (why: string) => why);

/** A person as the rules of this moment see it. */
export interface Caller {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly traits: UserSpec['traits'];
}

/** What the roles of a caller are read from. */
export interface CallerDeps {
  readonly db: Kysely<ResourceDb>;
  readonly clock: () => Date;
}

/** Who calls. Roles are read at each call: neither a certificate nor a cache keeps one that was taken away. */
export async function callerOf({ db, clock }: CallerDeps, principal: Principal): Promise<Caller> {
  const name = userNameOf(principal);
  if (name === undefined) throw AccessDenied('access denied: agents and services do not manage resources');
  const now = clock();
  const user = await findResource(db, { kind: 'user', id: name }, now);
  const spec = user?.doc.spec as UserSpec | undefined;
  if (!spec || !isActive(spec, now))
    throw AccessDenied(`access denied: user "${name}" does not exist or is locked`);
  await refuseLocked(db, { user: name, roles: spec.roles, session: principal.session }, now);
  const rows = await findResources(
    db,
    spec.roles.map((id) => ({ kind: 'role', id })),
  );
  return {
    name,
    roles: rows.filter(({ doc }) => !isExpired(doc, now)).map(({ doc }) => doc as unknown as Role),
    traits: spec.traits,
  };
}

/** Refuses a caller whose roles do not allow every one of the verbs on the kind. */
export function requireRule({ roles }: Caller, kind: string, verbs: readonly string[]): void {
  const missing = verbs.find((verb) => !mayRule(roles, kind, verb));
  if (missing !== undefined) throw AccessDenied(explainMissing(roles, kind, missing));
}

function isActive({ status, expires }: UserSpec, now: Date): boolean {
  return status?.is_locked !== true && (expires === undefined || Date.parse(expires) > now.getTime());
}
