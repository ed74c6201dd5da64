import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  type V1ClusterRole,
  type V1ClusterRoleBinding,
  type V1Namespace,
  type V1Secret,
  type V1ServiceAccount,
} from '@kubernetes/client-node';
import { delay, failure, messageOf } from '@postern/core';
import { stringify } from 'yaml';
import { agentClusterRole } from './agent-access.ts';

/** A cluster in which the account of an agent cannot be made. */
export const AgentAccountFailed = failure(
  'unavailable',
  'kube.agent_account_failed',
  (what: string, why: string) => `${what} cannot be made in the cluster: ${why}`,
);

/** Which cluster, and how the account in it is called. */
export interface AgentAccountOptions {
  /** The operator's own kubeconfig; the usual places where absent. */
  readonly kubeconfigFile?: string;
  /** A context of it; the current one where absent. */
  readonly context?: string;
  readonly namespace?: string;
  readonly serviceAccount?: string;
  /** Told what is done, one sentence each. */
  readonly progress?: (step: string) => void;
}

const tokenTries = 50;
const tokenWaitMs = 200;

/**
 * Makes a service account that may do no more than an agent needs (get pods, impersonate, review its own access) and a token
 * for it, and gives a kubeconfig that holds both. Whatever is there already is left as it is.
 */
export async function createAgentKubeconfig(options: AgentAccountOptions = {}): Promise<string> {
  const { namespace = 'teleport', serviceAccount = 'teleport-sa', progress = () => undefined } = options;
  const config = loadConfig(options);
  const objects = KubernetesObjectApi.makeApiClient(config);
  for (const object of accountObjects(namespace, serviceAccount)) {
    const what = `${object.kind} ${object.metadata.name}`;
    progress(`Creating ${what}`);
    await create(() => objects.create(object), what);
  }
  const secret = await readToken(config.makeApiClient(CoreV1Api), namespace, secretNameOf(serviceAccount));
  return kubeconfigOf(config, secret, serviceAccount);
}

function loadConfig({ kubeconfigFile, context }: AgentAccountOptions): KubeConfig {
  const config = new KubeConfig();
  if (kubeconfigFile === undefined) config.loadFromDefault();
  else config.loadFromFile(kubeconfigFile);
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

type Named<T> = T & { readonly kind: string; readonly metadata: { readonly name: string } };
type AccountObject = Named<V1Namespace | V1ServiceAccount | V1Secret | V1ClusterRole | V1ClusterRoleBinding>;

function accountObjects(namespace: string, account: string): AccountObject[] {
  const role = 'teleport-role';
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } },
    agentClusterRole(role),
    {
      ...rbac,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'teleport-crb' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/service-account-token',
      metadata: {
        name: secretNameOf(account),
        namespace,
        annotations: { 'kubernetes.io/service-account.name': account },
      },
    },
  ];
}

function secretNameOf(account: string): string {
  return `${account}-token`;
}

async function create(make: () => Promise<unknown>, what: string): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (!(error instanceof ApiException) || error.code !== 409)
      throw AgentAccountFailed.from(error, what, messageOf(error));
  }
}

/** The controller manager writes the token into the secret some time after it was made. */
async function readToken(core: CoreV1Api, namespace: string, name: string): Promise<V1Secret> {
  for (let tries = 0; tries < tokenTries; tries += 1) {
    const secret = await core.readNamespacedSecret({ name, namespace });
    if (secret.data?.['token'] && secret.data['ca.crt']) return secret;
    await delay(tokenWaitMs);
  }
  throw AgentAccountFailed('the token', `no controller filled Secret ${name}`);
}

function kubeconfigOf(config: KubeConfig, { data = {} }: V1Secret, account: string): string {
  const name = config.getCurrentCluster()?.name ?? 'cluster';
  const server = config.getCurrentCluster()?.server ?? '';
  const token = Buffer.from(data['token'] ?? '', 'base64').toString('utf8');
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': name,
      clusters: [{ name, cluster: { server, 'certificate-authority-data': data['ca.crt'] } }],
      contexts: [{ name, context: { cluster: name, user: account } }],
      users: [{ name: account, user: { token } }],
    },
    { lineWidth: 0 },
  );
}
