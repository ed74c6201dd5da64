import { kinds } from './kinds/index.ts';
import { policyKinds } from './kube/policy-digest.ts';

/** Nothing secret is in a view, but who holds which role is nobody's business but the control plane's. */
const byRole: ReadonlyMap<string, readonly string[]> = new Map([
  ['Kube', ['kube_cluster']],
  ['Discovery', ['discovery_config', 'kube_cluster']],
  ['Proxy', ['kube_cluster', ...policyKinds]],
  ['Auth', kinds.map(({ kind }) => kind)],
]);

/** Whether views may show a joined process with these system roles the secrets of what they select. */
export function maySeeSecrets(roles: readonly string[]): boolean {
  return roles.includes('Kube');
}

/** The kinds of resources whose views a joined process with these system roles may read, sorted. */
export function viewKindsFor(roles: readonly string[]): string[] {
  return [...new Set(roles.flatMap((role) => byRole.get(role) ?? []))].toSorted();
}
