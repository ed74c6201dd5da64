import type { KubeAttributes } from './types.ts';

/** Verbs that a request is judged by. */
export interface RuleVerb {
  /** An allow rule must name this verb, or `*`. For `*` itself only a rule with verbs `*` will do. */
  readonly allow: string;
  /** A deny rule that names any of these, or `*`, denies. */
  readonly deny: readonly string[];
}

/**
 * Subresources that are worth more than their HTTP method says.
 *
 * - exec and attach run commands, whichever way the connection was opened: a WebSocket client opens them with GET, which
 *   the API server's own attributes call `get`.
 * - An ephemeral container is a command in somebody's pod, so adding one is exec and not patch.
 * - An eviction deletes the pod.
 * - A proxied node, service or pod gives everything that listens there, for a node including the kubelet's own exec. A service
 *   account token is a credential that works without Postern, and so is a certificate that was approved. No verb of `kubernetes_resources` stands for that:
 *   only a rule for that kind or for `*` whose verbs are `*` allows it.
 */
const subresourceVerbs: Readonly<Record<string, string>> = {
  'pods/exec': 'exec',
  'pods/attach': 'exec',
  'pods/portforward': 'portforward',
  'pods/eviction': 'delete',
  'pods/proxy': '*',
  'services/proxy': '*',
  'nodes/proxy': '*',
  'serviceaccounts/token': '*',
  'certificatesigningrequests.certificates.k8s.io/approval': '*',
};

const streams = new Set(['exec', 'portforward']);

/** The verb of `kubernetes_resources` that a request needs, and those by which it is denied. */
export function ruleVerb(
  request: Pick<KubeAttributes, 'apiGroup' | 'resource' | 'subresource' | 'verb'>,
): RuleVerb {
  const { verb } = request;
  // A path may go on behind the subresource, as in nodes/n1/proxy/metrics.
  const subresource = request.subresource.split('/', 1)[0]!;
  if (subresource === '') return same(verb);
  const { resource, apiGroup } = request;
  const key = `${apiGroup === '' ? resource : `${resource}.${apiGroup}`}/${subresource}`;
  if (key === 'pods/ephemeralcontainers')
    return isRead(verb) ? same(verb) : { allow: 'exec', deny: ['exec', verb] };
  const mapped = Object.hasOwn(subresourceVerbs, key) ? subresourceVerbs[key]! : verb;
  if (mapped === verb || streams.has(mapped)) return same(mapped);
  return { allow: mapped, deny: mapped === '*' ? [verb, ...proxyDenials(key)] : [mapped, verb] };
}

function same(verb: string): RuleVerb {
  return { allow: verb, deny: [verb] };
}

function isRead(verb: string): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch';
}

/** Whoever may not forward ports of a pod may not reach them through its proxy either. */
function proxyDenials(key: string): string[] {
  return key === 'pods/proxy' ? ['portforward'] : [];
}
