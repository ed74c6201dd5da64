import type { Role, RoleConditions } from '@postern/contracts';

/** Whether `next` denies at least what `before` denies in clusters: the very same denials, and perhaps more. */
export function keepsDenials(before: Role, next: Role): boolean {
  const was = before.spec.deny;
  const is = next.spec.deny;
  if (!denies(was)) return true;
  // What a denial reaches depends on the version and, for users and groups, on the clusters that the deny side selects.
  if (before.version !== next.version && (was.kubernetes_resources ?? []).length > 0) return false;
  return (
    JSON.stringify(selection(was)) === JSON.stringify(selection(is)) &&
    includesAll(is.kubernetes_groups, was.kubernetes_groups) &&
    includesAll(is.kubernetes_users, was.kubernetes_users) &&
    includesAll(is.kubernetes_resources, was.kubernetes_resources)
  );
}

function denies(side: RoleConditions): boolean {
  const lists = [side.kubernetes_groups, side.kubernetes_users, side.kubernetes_resources];
  return (
    Object.keys(side.kubernetes_labels ?? {}).length > 0 ||
    side.kubernetes_labels_expression !== undefined ||
    lists.some((list) => (list ?? []).length > 0)
  );
}

function selection(side: RoleConditions): unknown[] {
  return [side.kubernetes_labels ?? {}, side.kubernetes_labels_expression ?? ''];
}

function includesAll(have: readonly unknown[] = [], wanted: readonly unknown[] = []): boolean {
  const texts = new Set(have.map((item) => JSON.stringify(item)));
  return wanted.every((item) => texts.has(JSON.stringify(item)));
}
