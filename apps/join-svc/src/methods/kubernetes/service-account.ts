import { ProofRefused } from '../method.ts';

/** A service account of a cluster, and the pod that speaks for it. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly podName: string;
  readonly podUid: string;
}

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const dnsName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const prefix = 'system:serviceaccount:';

/**
 * Namespace and name of `system:serviceaccount:<namespace>:<name>`, exactly as Kubernetes writes it: both are DNS names, so that
 * nothing else can be written in a way that reads like an account. Throws `ProofRefused` on anything else.
 */
export function accountOf(user: unknown): Pick<ServiceAccount, 'namespace' | 'name'> {
  const shown = JSON.stringify(typeof user === 'string' ? user.slice(0, 200) : null);
  if (typeof user !== 'string' || !user.startsWith(prefix))
    throw ProofRefused(`token user is not a service account: ${shown}`);
  const [namespace = '', name = '', ...more] = user.slice(prefix.length).split(':');
  if (more.length > 0 || !dnsLabel.test(namespace) || !dnsName.test(name))
    throw ProofRefused(`token user has malformed service account name: ${shown}`);
  return { namespace, name };
}

/** The pod a token is bound to. Throws `ProofRefused` where it is bound to none. */
export function boundPod(name: unknown, uid: unknown): Pick<ServiceAccount, 'podName' | 'podUid'> {
  const isNamed = typeof name === 'string' && dnsName.test(name);
  if (!isNamed || typeof uid !== 'string' || !/^[\w-]{1,64}$/.test(uid))
    throw ProofRefused('the token is not bound to a pod: legacy service account tokens are not accepted');
  return { podName: name, podUid: uid };
}

/** Refuses an account that no rule names. Rules have no wildcards. */
export function requireAllowed(
  allow: readonly { readonly service_account: string }[],
  { namespace, name }: Pick<ServiceAccount, 'namespace' | 'name'>,
): void {
  const account = `${namespace}:${name}`;
  if (!allow.some((rule) => rule.service_account === account))
    throw ProofRefused(`no allow rule has service_account ${account}`);
}
