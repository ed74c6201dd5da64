import { parseDuration } from '@postern/core';
import type { Role, RoleRule } from '@postern/contracts';

/**
 * Whether the roles together allow an administrative verb on a resource kind. A deny rule of any role wins. `read` includes
 * `readnosecrets`; whoever is denied `readnosecrets` is denied `read` as well.
 */
export function mayRule(roles: readonly Role[], kind: string, verb: string): boolean {
  const isDenied = roles.some((role) =>
    (role.spec.deny.rules ?? []).some((rule) => denies(rule, kind, verb)),
  );
  return (
    !isDenied && roles.some((role) => (role.spec.allow.rules ?? []).some((rule) => allows(rule, kind, verb)))
  );
}

/** One line for somebody whom `mayRule` refused. */
export function explainMissing(roles: readonly Role[], kind: string, verb: string): string {
  const names = roles.map((role) => role.metadata.name).toSorted();
  const denying = roles
    .filter((role) => (role.spec.deny.rules ?? []).some((rule) => denies(rule, kind, verb)))
    .map((role) => role.metadata.name)
    .toSorted();
  const asked = `access denied to perform action "${verb}" on "${kind}"`;
  if (denying.length > 0) return `${asked}: denied by a rule of role ${denying.join(', ')}`;
  return `${asked}: none of the roles ${names.join(', ') || '(none)'} has a rule that allows it`;
}

/** The longest certificate life that all the roles agree to, in milliseconds; undefined without roles. */
export function maxSessionTtlMs(roles: readonly Role[]): number | undefined {
  const limits = roles.map((role) => parseDuration(role.spec.options.max_session_ttl));
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** The fewest concurrent Kubernetes sessions that one of the roles allows; undefined when none of them limits them. */
export function maxKubeConnections(roles: readonly Role[]): number | undefined {
  const limits = roles.flatMap((role) => role.spec.options.max_kubernetes_connections ?? []);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function allows(rule: RoleRule, kind: string, verb: string): boolean {
  if (!isFor(rule, kind)) return false;
  return rule.verbs.some(
    (have) => have === '*' || have === verb || (have === 'read' && verb === 'readnosecrets'),
  );
}

function denies(rule: RoleRule, kind: string, verb: string): boolean {
  return (
    allows(rule, kind, verb) || (isFor(rule, kind) && verb === 'read' && rule.verbs.includes('readnosecrets'))
  );
}

function isFor({ resources }: RoleRule, kind: string): boolean {
  return resources.some((resource) => resource === '*' || resource === kind);
}
