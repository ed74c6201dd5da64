import { failure, isPlainObject } from '@postern/core';
import { agentClusterRole, agentGroupBinding } from './agent-access.ts';
import type { ApiServer } from './api-server.ts';
import { ApiServerUnreachable, ask, objectOf, type ProbeAnswer } from './probe.ts';

/** The API server does not know us, or does not let us write roles. */
export const RightsRefused = failure(
  'permission_denied',
  'kube.rights_refused',
  (status: number, what: string) => `the API server answered ${status} to ${what}`,
);

/** Something else has the name. */
export const RightsInTheWay = failure(
  'failed_precondition',
  'kube.rights_in_the_way',
  (name: string, why: string) => `ClusterRoleBinding ${name} of the cluster ${why}: rename or delete it`,
);

interface Named {
  readonly name: string;
  readonly group: string;
}

const base = '/apis/rbac.authorization.k8s.io/v1';

/**
 * Gives a group what an agent needs, by a ClusterRole and a ClusterRoleBinding of that name. What is there is added to and
 * nothing is taken away: others may rely on it. Throws RightsRefused for 401 and 403,
 * ApiServerUnreachable for every other failure.
 */
export async function ensureAgentGroup(
  server: ApiServer,
  { name, group, signal }: Named & { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const put = new RbacWriter(server, signal);
  await put.role(name);
  await put.binding({ name, group });
}

class RbacWriter {
  readonly #server: ApiServer;
  readonly #signal: AbortSignal | undefined;

  constructor(server: ApiServer, signal: AbortSignal | undefined) {
    this.#server = server;
    this.#signal = signal;
  }

  async role(name: string): Promise<void> {
    const wanted = agentClusterRole(name);
    const there = await this.#createOrRead('clusterroles', wanted);
    if (!there) return;
    const rules = listOf(there['rules']);
    const known = new Set(rules.map((rule) => JSON.stringify(sorted(rule))));
    const missing = wanted.rules.filter((rule) => !known.has(JSON.stringify(sorted(rule))));
    if (missing.length > 0) await this.#add('clusterroles', there, { rules: [...rules, ...missing] });
  }

  async binding({ name, group }: Named): Promise<void> {
    const wanted = agentGroupBinding(name, group);
    const there = await this.#createOrRead('clusterrolebindings', wanted);
    if (!there) return;
    const { roleRef } = there;
    if (!isPlainObject(roleRef) || roleRef['name'] !== name || roleRef['kind'] !== 'ClusterRole')
      throw RightsInTheWay(name, 'binds another role');
    const subjects = listOf(there['subjects']);
    const isBound = subjects.some(
      (subject) => isPlainObject(subject) && subject['kind'] === 'Group' && subject['name'] === group,
    );
    if (!isBound)
      await this.#add('clusterrolebindings', there, { subjects: [...subjects, ...wanted.subjects] });
  }

  /** What was there already; undefined where it was made. */
  async #createOrRead(
    resource: string,
    object: { readonly metadata: { readonly name: string } },
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { name } = object.metadata;
    const made = await this.#ask({ path: `${base}/${resource}`, body: JSON.stringify(object) });
    if (made.status !== 409) return checked(made, `making ${resource} ${name}`) && undefined;
    const read = await this.#ask({ path: `${base}/${resource}/${name}` });
    return objectOf(checked(read, `reading ${resource} ${name}`)) as Record<string, unknown>;
  }

  /** Nobody else's change in between is lost: the version that was read goes along. */
  async #add(resource: string, there: Readonly<Record<string, unknown>>, change: object): Promise<void> {
    const { name, resourceVersion } = there['metadata'] as { name: string; resourceVersion: string };
    const answer = await this.#ask({
      path: `${base}/${resource}/${name}`,
      body: JSON.stringify({ metadata: { resourceVersion }, ...change }),
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
    });
    checked(answer, `changing ${resource} ${name}`);
  }

  #ask(question: Parameters<typeof ask>[1]): Promise<ProbeAnswer> {
    return ask(this.#server, { ...question, signal: this.#signal });
  }
}

function checked(answer: ProbeAnswer, what: string): ProbeAnswer {
  if (answer.status === 401 || answer.status === 403) throw RightsRefused(answer.status, what);
  if (answer.status >= 300) throw ApiServerUnreachable(`it answered ${answer.status} to ${what}`);
  return answer;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The order of fields and of verbs means nothing. */
function sorted(rule: unknown): unknown {
  if (!isPlainObject(rule)) return rule;
  const byText = (a: string, b: string) => (a < b ? -1 : 1);
  const entries = Object.entries(rule).toSorted(([a], [b]) => byText(a, b));
  return entries.map(([key, value]) => [
    key,
    Array.isArray(value) ? value.map(String).toSorted(byText) : value,
  ]);
}
