import type { CompiledRole } from './compile-role.ts';
import { type Principals, principalsOf } from './impersonation.ts';
import type { KubeQuery } from './kube-resource-rules.ts';
import type { Labels } from './label-matcher.ts';
import type { FilterEntry, ResourceFilter } from './resource-filter.ts';

/** What the rules say about a list, a watch or a deletecollection. */
export interface ListScope {
  /** Roles with a rule that could match something in the list. */
  readonly roles: readonly CompiledRole[];
  /** Whether a denial covers the whole list. */
  readonly isDenied: boolean;
  /** Absent when everything in the list may be seen. */
  readonly filter?: ResourceFilter;
}

const maxCachedScopes = 256;

/** A user's policy on clusters with certain labels: the roles that select them, and every role's denials. */
export class ClusterPolicy {
  /** Name of the role whose deny side refuses the cluster. */
  readonly refusedBy: string | undefined;
  /** Roles whose allow side selects the cluster. */
  readonly roles: readonly CompiledRole[];
  readonly #denying: readonly CompiledRole[];
  readonly #principals = new Map<string, Principals>();
  readonly #scopes = new Map<string, ListScope>();

  constructor(roles: readonly CompiledRole[], labels: Labels) {
    this.refusedBy = roles.find((role) => role.refuses(labels))?.name;
    this.roles = roles.filter((role) => role.selects(labels));
    this.#denying = roles;
  }

  /** Whether any role's rule denies this one object, whatever clusters that role selects. */
  denies(query: KubeQuery): boolean {
    return this.#denying.some((role) => !role.deny.isEmpty && role.deny.matches(query));
  }

  /** The users and groups that these roles give together. */
  principals(roles: readonly CompiledRole[]): Principals {
    const key = roles.map((role) => this.roles.indexOf(role)).join();
    const known = this.#principals.get(key);
    if (known) return known;
    const denying = this.#denying.filter((role) => !role.isDenyScoped);
    const principals = principalsOf(roles, denying);
    if (this.#principals.size < maxCachedScopes) this.#principals.set(key, principals);
    return principals;
  }

  /** What of a list may be seen. Computed once per kind, verb and namespace. */
  listScope(query: KubeQuery): ListScope {
    const { kind, apiGroup, namespace, name, verb } = query;
    const key = JSON.stringify([kind, apiGroup, namespace, name, verb.allow, ...verb.deny]);
    const known = this.#scopes.get(key);
    if (known) return known;
    const scope = this.#computeScope(query);
    if (this.#scopes.size >= maxCachedScopes) this.#scopes.delete(this.#scopes.keys().next().value!);
    this.#scopes.set(key, scope);
    return scope;
  }

  #computeScope(query: KubeQuery): ListScope {
    const allowed = this.roles.map((role) => ({ role, entries: role.allow.entries(query) }));
    const roles = allowed.filter(({ entries }) => entries.length > 0).map(({ role }) => role);
    const deny = this.#denying.flatMap((role) => role.deny.entries(query));
    const isDenied = this.#denying.some((role) => role.deny.covers(query));
    if (deny.length === 0 && roles.some((role) => role.allow.covers(query))) return { roles, isDenied };
    const allow = allowed.flatMap(({ entries }) => entries);
    const { apiGroup, kind: resource } = query;
    return {
      roles,
      isDenied,
      filter: { v: 1, apiGroup, resource, allow: merged(allow), deny: merged(deny) },
    };
  }
}

/** One entry per namespace pattern, each name once, all sorted: the same rules in any order give the same filter. */
function merged(entries: readonly FilterEntry[]): FilterEntry[] {
  const byNamespace = new Map<string, Set<string>>();
  for (const { namespace, names } of entries) {
    const known = byNamespace.get(namespace) ?? new Set();
    byNamespace.set(namespace, known);
    for (const name of names) known.add(name);
  }
  return [...byNamespace.keys()].toSorted().map((namespace) => {
    const names = byNamespace.get(namespace)!;
    return { namespace, names: names.has('*') ? ['*'] : [...names].toSorted() };
  });
}
