/** A Kubernetes resource type as role versions up to v7 name it: singular, without an API group. */
export interface KubeKind {
  readonly plural: string;
  readonly apiGroup: string;
  readonly isClusterWide: boolean;
}

const namespaced = (plural: string, apiGroup = ''): KubeKind => ({ plural, apiGroup, isClusterWide: false });
const clusterWide = (plural: string, apiGroup = ''): KubeKind => ({ plural, apiGroup, isClusterWide: true });

const rbac = 'rbac.authorization.k8s.io';

/** Every kind a role of version v7 may name besides `*`, with what v8 calls it. */
export const kubeKinds: Readonly<Record<string, KubeKind>> = {
  pod: namespaced('pods'),
  secret: namespaced('secrets'),
  configmap: namespaced('configmaps'),
  namespace: clusterWide('namespaces'),
  service: namespaced('services'),
  serviceaccount: namespaced('serviceaccounts'),
  kube_node: clusterWide('nodes'),
  persistentvolume: clusterWide('persistentvolumes'),
  persistentvolumeclaim: namespaced('persistentvolumeclaims'),
  deployment: namespaced('deployments', 'apps'),
  replicaset: namespaced('replicasets', 'apps'),
  statefulset: namespaced('statefulsets', 'apps'),
  daemonset: namespaced('daemonsets', 'apps'),
  clusterrole: clusterWide('clusterroles', rbac),
  kube_role: namespaced('roles', rbac),
  clusterrolebinding: clusterWide('clusterrolebindings', rbac),
  rolebinding: namespaced('rolebindings', rbac),
  cronjob: namespaced('cronjobs', 'batch'),
  job: namespaced('jobs', 'batch'),
  certificatesigningrequest: clusterWide('certificatesigningrequests', 'certificates.k8s.io'),
  ingress: namespaced('ingresses', 'networking.k8s.io'),
};

/** Verbs that a rule of `kubernetes_resources` may name besides `*`. */
export const kubeVerbs: readonly string[] = [
  'get',
  'create',
  'update',
  'patch',
  'delete',
  'list',
  'watch',
  'deletecollection',
  'exec',
  'portforward',
];

const coreNamespaced = new Set([
  'bindings',
  'configmaps',
  'endpoints',
  'events',
  'limitranges',
  'persistentvolumeclaims',
  'pods',
  'podtemplates',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'serviceaccounts',
  'services',
]);

const coreClusterWide = new Set(['componentstatuses', 'namespaces', 'nodes', 'persistentvolumes']);

const otherNamespaced = new Set([
  'apps/controllerrevisions',
  'autoscaling/horizontalpodautoscalers',
  'coordination.k8s.io/leases',
  'discovery.k8s.io/endpointslices',
  'events.k8s.io/events',
  'networking.k8s.io/networkpolicies',
  'policy/poddisruptionbudgets',
  ...Object.values(kubeKinds)
    .filter((kind) => kind.apiGroup !== '' && !kind.isClusterWide)
    .map((kind) => `${kind.apiGroup}/${kind.plural}`),
]);

const otherClusterWide = new Set([
  'apiextensions.k8s.io/customresourcedefinitions',
  'apiregistration.k8s.io/apiservices',
  'storage.k8s.io/storageclasses',
  ...Object.values(kubeKinds)
    .filter((kind) => kind.apiGroup !== '' && kind.isClusterWide)
    .map((kind) => `${kind.apiGroup}/${kind.plural}`),
]);

/** Whether the plural is a resource of the core API group. */
export function isCoreResource(plural: string): boolean {
  return coreNamespaced.has(plural) || coreClusterWide.has(plural);
}

/** Whether the resource type is known to live in namespaces. False also for what is unknown. */
export function isNamespacedResource(apiGroup: string, plural: string): boolean {
  if (apiGroup === '' || apiGroup === '*') return coreNamespaced.has(plural);
  return otherNamespaced.has(`${apiGroup}/${plural}`);
}

/** Whether the resource type is known to belong to the whole cluster. False also for what is unknown. */
export function isClusterWideResource(apiGroup: string, plural: string): boolean {
  return apiGroup === '' ? coreClusterWide.has(plural) : otherClusterWide.has(`${apiGroup}/${plural}`);
}
