import type { KubeApiServer } from '@postern/lab';
import { mustRun } from '@postern/testkit';
import { adminGroup } from './row.ts';

const namespaces = ['dev', 'dev-evil', 'prod'];
const podsOf: readonly (readonly [namespace: string, name: string])[] = [
  ['dev', 'web-1'],
  ['dev', 'web-10'],
  ['dev', 'db-1'],
  ['dev-evil', 'web-1'],
  ['prod', 'web-1'],
];

/** Makes the objects that rows ask for. No node runs the pods. */
export async function arrangeTarget({ kubeconfig }: KubeApiServer): Promise<void> {
  await apply(kubeconfig, [...namespaces.map(namespace), binding, nodeOf('n1')]);
  await apply(kubeconfig, podsOf.map(pod));
  await apply(
    kubeconfig,
    ['dev', 'prod'].flatMap((place) => [configMap(place), secret(place)]),
  );
  await apply(kubeconfig, [deployment, widgets]);
  const established = ['wait', '--for=condition=Established', 'crd/widgets.lab.test', '--timeout=60s'];
  await mustRun('kubectl', ['--kubeconfig', kubeconfig, ...established]);
  await apply(kubeconfig, ['gear', 'spring'].map(widget));
}

function apply(kubeconfig: string, items: readonly object[]): Promise<string> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  return mustRun('kubectl', ['--kubeconfig', kubeconfig, 'apply', '--validate=false', '-f', '-'], { input });
}

const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

const nodeOf = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });

const containers = [{ name: 'main', image: 'none', imagePullPolicy: 'Never' }];

const pod = ([place, name]: readonly [string, string]) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: place, labels: { app: 'all' } },
  spec: { containers },
});

const configMap = (place: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings', namespace: place },
  data: { a: 'b' },
});

const secret = (place: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'key', namespace: place },
  stringData: { a: 'b' },
});

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'dev' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers } },
  },
};

const binding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: adminGroup },
  subjects: [
    { kind: 'Group', name: adminGroup, apiGroup: 'rbac.authorization.k8s.io' },
    { kind: 'User', name: 'lab-root', apiGroup: 'rbac.authorization.k8s.io' },
  ],
  roleRef: { kind: 'ClusterRole', name: 'cluster-admin', apiGroup: 'rbac.authorization.k8s.io' },
};

// No role before v8 knows this kind, and its API group is its own.
const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.lab.test' },
  spec: {
    group: 'lab.test',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

const widget = (name: string) => ({
  apiVersion: 'lab.test/v1',
  kind: 'Widget',
  metadata: { name, namespace: 'dev' },
});
