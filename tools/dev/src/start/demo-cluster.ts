import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type KubeApiServer,
  locateKubectl,
  type Progress,
  runCommand,
  startKubeApiServer,
} from '@postern/lab';
import { stringify } from 'yaml';

/** What the demo cluster lets Postern do, and whom Postern's admin is in it. */
const rbac = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'postern-agent' },
    rules: [
      { apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
      {
        apiGroups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
        verbs: ['create'],
      },
    ],
  },
  binding('postern-agent', 'postern-agent', { kind: 'User', name: 'postern-agent' }),
  binding('postern-admins', 'cluster-admin', { kind: 'Group', name: 'postern:admins' }),
  binding('postern-viewers', 'view', { kind: 'Group', name: 'viewers' }),
];

/** A running demo cluster and the least-privileged kubeconfig by which an agent reaches it. */
export interface DemoCluster {
  readonly server: KubeApiServer;
  readonly kubeconfig: string;
}

/** Starts a real API server and grants an agent impersonation in it, and the admins of Postern everything. */
export async function startDemoCluster(options: {
  readonly dir: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}): Promise<DemoCluster> {
  const server = await startKubeApiServer({ ...options, controllers: true });
  const client = await server.pki.issue('postern-agent', { commonName: 'postern-agent' });
  const kubectl = await locateKubectl(options);
  const manifest = join(options.dir, 'rbac.yaml');
  writeFileSync(manifest, rbac.map((object) => stringify(object)).join('---\n'));
  await runCommand(kubectl, ['--kubeconfig', server.kubeconfig, 'apply', '-f', manifest]);
  return { server, kubeconfig: kubeconfigOf(server, client) };
}

function kubeconfigOf(
  server: KubeApiServer,
  client: { readonly cert: string; readonly key: string },
): string {
  const base64 = (file: string) => readFileSync(file).toString('base64');
  const cluster = { server: server.url, 'certificate-authority-data': base64(server.caFile) };
  const user = { 'client-certificate-data': base64(client.cert), 'client-key-data': base64(client.key) };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'demo', cluster }],
    users: [{ name: 'postern-agent', user }],
    contexts: [{ name: 'demo', context: { cluster: 'demo', user: 'postern-agent' } }],
    'current-context': 'demo',
  });
}

function binding(
  name: string,
  role: string,
  subject: { readonly kind: string; readonly name: string },
): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    subjects: [{ ...subject, apiGroup: 'rbac.authorization.k8s.io' }],
    roleRef: { kind: 'ClusterRole', name: role, apiGroup: 'rbac.authorization.k8s.io' },
  };
}
