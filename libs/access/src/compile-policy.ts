import type { Role } from '@postern/contracts';
import { ClusterPolicy } from './cluster-policy.ts';
import { type CompiledRole, compileRole } from './compile-role.ts';
import type { Labels } from './label-matcher.ts';
import type { AccessUser } from './types.ts';

/** What a user's roles say, compiled: ask for the policy on a cluster's labels. */
export interface CompiledPolicy {
  readonly user: AccessUser;
  /** Names of all the user's roles, sorted. */
  readonly roleNames: readonly string[];
  readonly roles: readonly CompiledRole[];
  on(labels: Labels): ClusterPolicy;
}

interface Remembered {
  readonly roles: readonly Role[];
  readonly policy: CompiledPolicy;
}

const remembered = new WeakMap<AccessUser, Remembered>();
const maxCachedClusters = 512;

/**
 * The compiled policy of a user with these roles. Users and roles are immutable here, so the same objects give the policy that
 * was compiled before; a changed role is another object and compiles anew.
 */
export function compilePolicy(user: AccessUser, roles: readonly Role[]): CompiledPolicy {
  const known = remembered.get(user);
  if (known && isSame(known.roles, roles)) return known.policy;
  const compiled = roles.map((role) => compileRole(role, user.traits)).toSorted(byName);
  const policy: CompiledPolicy = {
    user,
    roleNames: compiled.map((role) => role.name),
    roles: compiled,
    on: rememberByLabels((labels) => new ClusterPolicy(compiled, labels)),
  };
  remembered.set(user, { roles: [...roles], policy });
  return policy;
}

function byName(a: CompiledRole, b: CompiledRole): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

function isSame(a: readonly Role[], b: readonly Role[]): boolean {
  return a === b || (a.length === b.length && a.every((role, index) => role === b[index]));
}

/** Equal labels share a policy, whichever object they come in. Looking up by the object itself is the quick way. */
function rememberByLabels(make: (labels: Labels) => ClusterPolicy): (labels: Labels) => ClusterPolicy {
  const byObject = new WeakMap<Labels, ClusterPolicy>();
  const byText = new Map<string, ClusterPolicy>();
  return (labels) => {
    const quick = byObject.get(labels);
    if (quick) return quick;
    const text = JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const policy = byText.get(text) ?? make(labels);
    if (byText.size >= maxCachedClusters) byText.delete(byText.keys().next().value!);
    byText.set(text, policy);
    byObject.set(labels, policy);
    return policy;
  };
}
