import type { CompiledRole } from './compile-role.ts';
import { isReservedName } from './templates.ts';
import type { DenyCode, ImpersonationRequest } from './types.ts';

/** Every authenticated Kubernetes user is in this group; impersonation has to say so. */
const authenticated = 'system:authenticated';

/** Users and groups that a set of roles gives. */
export interface Principals {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** Who the request runs as, or why it cannot run. */
export type Impersonation =
  | { readonly ok: true; readonly kubeUser: string; readonly kubeGroups: readonly string[] }
  | { readonly ok: false; readonly code: DenyCode; readonly message: string };

/** The users and groups of some roles, without those that a role's deny side names. */
export function principalsOf(roles: readonly CompiledRole[], denying: readonly CompiledRole[]): Principals {
  const users = new Set(roles.flatMap((role) => role.users));
  const groups = new Set(roles.flatMap((role) => role.groups));
  return {
    users: [...users].filter((user) => !denying.some((role) => role.deniesUser(user))).toSorted(),
    groups: [...groups].filter((group) => !denying.some((role) => role.deniesGroup(group))).toSorted(),
  };
}

/** Chooses user and groups: those asked for if the roles have them, else all the roles give. Never more than that. */
export function impersonate(
  userName: string,
  allowed: Principals,
  asked: ImpersonationRequest,
): Impersonation {
  const user = chooseUser(userName, allowed.users, asked.user ?? []);
  if (!user.ok) return user;
  const available = [...allowed.groups.filter((group) => group !== authenticated), authenticated];
  const groups = [...new Set(asked.groups)];
  const foreign = groups.find((group) => !available.includes(group));
  if (foreign !== undefined) return refused(`group header ${quoted(foreign)} value is not allowed in roles`);
  return { ok: true, kubeUser: user.kubeUser, kubeGroups: groups.length > 0 ? groups : available };
}

function chooseUser(userName: string, allowed: readonly string[], asked: readonly string[]): Impersonation {
  if (asked.length > 1) return refused(`invalid user header: ${asked.length} values`);
  const users = allowed.length > 0 ? allowed : [userName];
  const [wanted = ''] = asked;
  if (wanted !== '' && !users.includes(wanted)) {
    return refused(`user header ${quoted(wanted)} is not allowed in roles`);
  }
  if (wanted === '' && users.length > 1) return notSelectable();
  const kubeUser = wanted || users[0]!;
  if (allowed.length === 0 && isReservedName(kubeUser)) return reserved(kubeUser);
  return { ok: true, kubeUser, kubeGroups: [] };
}

function refused(why: string): Impersonation {
  const message = `impersonation request has been denied, ${why}`;
  return { ok: false, code: 'access.impersonation_refused', message };
}

function notSelectable(): Impersonation {
  const message =
    'please select a user to impersonate (kubectl --as), refusing to select a user due to several kubernetes_users set up for this user';
  return { ok: false, code: 'access.user_not_selectable', message };
}

/** Nobody becomes `system:admin` by being called so: only a role's kubernetes_users may say it. */
function reserved(name: string): Impersonation {
  const message = `the user name ${quoted(name)} is reserved in Kubernetes; set kubernetes_users in a role of this user`;
  return { ok: false, code: 'access.reserved_user_name', message };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
