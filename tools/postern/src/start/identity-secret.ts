import type { StateStore } from '@postern/agent';
import { addressClass } from '@postern/contracts';
import { failure, isPlainObject, type Json, parseJson } from '@postern/core';
import { ApiServer, inClusterSettings, secretText } from '@postern/kube';
import type { Host } from './host.ts';

const VariableMissing = failure(
  'failed_precondition',
  'postern.variable_missing',
  (name: string) =>
    `environment variable ${JSON.stringify(name)} not set or empty: in a cluster the identity is kept in a Secret named by KUBE_NAMESPACE and TELEPORT_REPLICA_NAME; set both or neither`,
);

const InvalidVariable = failure(
  'invalid_argument',
  'postern.invalid_variable',
  (name: string) => `environment variable ${JSON.stringify(name)} must be a name of Kubernetes`,
);

const dnsName = /^[a-z0-9](?:[a-z0-9.-]{0,240}[a-z0-9])?$/;

/**
 * The Secret in which a service keeps its identity, where we run in a pod that has a name of its own:
 * `<TELEPORT_REPLICA_NAME>-state` in KUBE_NAMESPACE, key `.ids.<role>.current`. It outlives the pod and its disk; a Helm release
 * of RELEASE_NAME leaves it behind when it is uninstalled. Undefined elsewhere, where identities are kept in the data directory.
 */
export async function identitySecret(
  { env, clock, scope }: Pick<Host, 'env' | 'clock' | 'scope'>,
  role: string,
): Promise<StateStore | undefined> {
  const { KUBE_NAMESPACE: namespace, TELEPORT_REPLICA_NAME: replica, RELEASE_NAME: release } = env;
  const settings = await inClusterSettings(env);
  if (!settings || (!namespace && !replica)) return undefined;
  const names = { KUBE_NAMESPACE: namespace, TELEPORT_REPLICA_NAME: replica };
  for (const [name, value] of Object.entries(names)) {
    if (!value) throw VariableMissing(name);
    if (!dnsName.test(value)) throw InvalidVariable(name);
  }
  const rules = { mayConnect: (address: string) => addressClass(address) !== 'forbidden' };
  const server = scope.use(new ApiServer(settings, rules, clock));
  const text = secretText(server, {
    namespace: namespace!,
    name: `${replica}-state`,
    key: `.ids.${role.toLowerCase()}.current`,
    annotations: release ? helmAnnotations(release, namespace!) : {},
    manager: replica!,
  });
  return {
    place: text.place,
    read: async () => {
      const found = await text.read();
      return found === undefined ? undefined : unwrapped(found);
    },
    write: (state) => text.write(wrapped(parseJson(state))),
  };
}

/** Helm finds what belongs to a release by these, and keeps what says so when the release is gone. */
function helmAnnotations(release: string, namespace: string): Record<string, string> {
  return {
    'meta.helm.sh/release-name': release,
    'meta.helm.sh/release-namespace': namespace,
    'helm.sh/resource-policy': 'keep',
  };
}

function wrapped(spec: Json): string {
  return JSON.stringify({ kind: 'identity', version: 'v2', metadata: { name: 'current' }, spec });
}

/** What is no identity of ours reads as none, and is replaced when the process has joined. */
function unwrapped(text: string): string {
  try {
    const document = parseJson(text);
    return isPlainObject(document) ? JSON.stringify(document['spec'] ?? {}) : '{}';
  } catch {
    return '{}';
  }
}
