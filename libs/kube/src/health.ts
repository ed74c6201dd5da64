import type { V1SelfSubjectAccessReview } from '@kubernetes/client-node';
import { messageOf } from '@postern/core';
import type { ApiServer } from './api-server.ts';
import { ask, objectOf } from './probe.ts';

/** What a check of a cluster found. */
export interface ClusterCondition {
  /** `healthy`: an agent can serve every request with what it has. `unhealthy`: it can not, `reason` and `message` say why. */
  readonly state: 'healthy' | 'unhealthy';
  readonly reason: 'ok' | 'over_privileged' | 'permissions' | 'credentials' | 'component' | 'network';
  /** For the operator; empty where all is well. */
  readonly message: string;
}

/** A condition, and whether the API server answered at all. */
export interface HealthCheck {
  readonly condition: ClusterCondition;
  readonly isReachable: boolean;
}

interface Right {
  readonly verb: string;
  readonly resource: string;
  readonly group?: string;
}

/** What an agent cannot do without: acting as others, and seeing pods for exec and port-forward. */
const needed: readonly Right[] = [
  { verb: 'impersonate', resource: 'users' },
  { verb: 'impersonate', resource: 'groups' },
  { verb: 'impersonate', resource: 'serviceaccounts' },
  { verb: 'get', resource: 'pods' },
];

/** More than any agent needs. */
const everything: Right = { verb: '*', resource: '*', group: '*' };

const overPrivileged =
  'its credentials may do everything in the cluster; the account that get-kubeconfig.sh makes may do what an agent needs and no more';

/**
 * Asks the API server, as ourselves, what we may do in it: four SelfSubjectAccessReviews for what is needed and one for what is
 * too much. Where that cannot be asked, `/readyz` tells a server that is not well from one that cannot be reached.
 */
export async function checkHealth(server: ApiServer, signal?: AbortSignal): Promise<HealthCheck> {
  try {
    const answers = await Promise.all([...needed, everything].map((right) => review(server, right, signal)));
    const refused = answers.find(({ status }) => status >= 300);
    if (refused) return await whyRefused(server, refused.status, signal);
    const allowed = answers.map(isAllowed);
    const missing = needed.filter((_, index) => !allowed[index]);
    return { condition: conditionOf(missing, allowed[needed.length] === true), isReachable: true };
  } catch (error) {
    return readiness(server, messageOf(error), signal);
  }
}

function conditionOf(missing: readonly Right[], isTooMuch: boolean): ClusterCondition {
  if (missing.length === 0)
    return isTooMuch
      ? { state: 'healthy', reason: 'over_privileged', message: overPrivileged }
      : { state: 'healthy', reason: 'ok', message: '' };
  const list = missing.map(({ verb, resource }) => `${verb} ${resource}`).join(', ');
  return { state: 'unhealthy', reason: 'permissions', message: `its credentials may not ${list}` };
}

async function whyRefused(
  server: ApiServer,
  status: number,
  signal: AbortSignal | undefined,
): Promise<HealthCheck> {
  if (status !== 401 && status !== 403)
    return readiness(server, `it answered ${status} to an access review`, signal);
  const why = server.credentials.problem;
  const what =
    status === 401 ? 'it does not accept the credentials' : 'the credentials may not ask what they may do';
  const message = why === undefined ? what : `${what}, and there are no others: ${why}`;
  return { condition: { state: 'unhealthy', reason: 'credentials', message }, isReachable: true };
}

async function readiness(
  server: ApiServer,
  failed: string,
  signal: AbortSignal | undefined,
): Promise<HealthCheck> {
  try {
    const { status } = await ask(server, { path: '/readyz', signal });
    const found = status === 200 ? 'it says that it is ready' : `/readyz answers ${status}`;
    const message = `${failed}; ${found}`;
    return { condition: { state: 'unhealthy', reason: 'component', message }, isReachable: true };
  } catch (error) {
    const { problem } = server.credentials;
    const reason = problem === undefined ? 'network' : 'credentials';
    const message = problem === undefined ? messageOf(error) : `its credentials cannot be had: ${problem}`;
    return { condition: { state: 'unhealthy', reason, message }, isReachable: false };
  }
}

const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

function review(server: ApiServer, right: Right, signal: AbortSignal | undefined) {
  const body: V1SelfSubjectAccessReview = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { ...right } },
  };
  return ask(server, { path: reviews, body: JSON.stringify(body), signal });
}

function isAllowed(answer: Awaited<ReturnType<typeof ask>>): boolean {
  return (objectOf(answer) as V1SelfSubjectAccessReview).status?.allowed === true;
}
