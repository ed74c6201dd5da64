/** Nothing may show this outside of the answers that were asked for secrets. */
export const canary = 'canary-4f1d2c';

const kubeconfigText = JSON.stringify({
  'current-context': 'x',
  clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443' } }],
  users: [{ name: 'u', user: { token: canary } }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
});

export const kubeconfig = Buffer.from(kubeconfigText).toString('base64');

export function cluster(
  name: string,
  labels: Record<string, string> = {},
  spec: Record<string, unknown> = { kubeconfig },
) {
  return { kind: 'kube_cluster', version: 'v3', metadata: { name, labels }, spec };
}

export function role(name: string, allow: Record<string, unknown>) {
  return { kind: 'role', version: 'v7', metadata: { name }, spec: { allow } };
}

export function user(name: string, roles: string[]) {
  return { kind: 'user', version: 'v2', metadata: { name }, spec: { roles } };
}

export function token(
  name: string,
  spec: Record<string, unknown> = { roles: ['Kube'] },
  metadata: Record<string, unknown> = {},
) {
  return { kind: 'token', version: 'v2', metadata: { name, ...metadata }, spec };
}

/** Role kube-manager of the guide. */
export const kubeManager = {
  kind: 'role',
  metadata: { name: 'kube-manager' },
  spec: {
    allow: {
      rules: [{ resources: ['kube_cluster'], verbs: ['list', 'create', 'read', 'update', 'delete'] }],
    },
  },
  version: 'v5',
};
