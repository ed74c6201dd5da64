import { failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { UserState } from '@postern/policy';
import { appears } from '../appears.ts';
import type { JoinDeps } from '../deps.ts';

/** Roles and users are not known, because resource-svc has not been heard of since the start or for too long. */
export const PolicyNotReady = failure(
  'unavailable',
  'join.policy_not_ready',
  () => 'roles and users are not known yet; try again in a moment',
);

/** A user that does not exist. */
const UnknownUser = failure(
  'not_found',
  'join.unknown_user',
  (name: string) => `user ${JSON.stringify(name)} not found`,
);

/** A user who may do nothing now. */
const InactiveUser = failure(
  'permission_denied',
  'join.inactive_user',
  (name: string) => `user ${JSON.stringify(name)} is locked or has expired`,
);

/** Somebody who is no user asks for what only users have. */
const NotAUser = failure('permission_denied', 'join.not_a_user', () => 'this is for users only');

const patienceMs = 2_000;

/** A user as the policy knows it. One that was made a moment ago is waited for. */
export async function findUser({ policy, policyReady }: JoinDeps, name: string): Promise<UserState> {
  if (!policyReady()) throw PolicyNotReady();
  const user = await appears(
    (listener) => policy.onChange(listener),
    () => policy.user(name),
    patienceMs,
  );
  if (!user) throw UnknownUser(name);
  return user;
}

/** The calling user as the policy knows it. */
export function callingUser(deps: JoinDeps, { type, id }: Principal): Promise<UserState> {
  if (type !== 'user') throw NotAUser();
  return findUser(deps, id);
}

/** Refuses a user who is locked or has expired. */
export function checkActive({ clock }: Pick<JoinDeps, 'clock'>, { name, locked, expires }: UserState): void {
  if (locked !== undefined || (expires !== undefined && expires <= clock())) throw InactiveUser(name);
}
