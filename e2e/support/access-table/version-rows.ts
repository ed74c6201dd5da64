import { allowed, any, cannot, podRule, pods, raw, type Row, shows, v7Rule, v8, version } from './row.ts';

const gear = 'widget.lab.test/gear';
const noGear = cannot('get', 'widgets', { name: 'gear', group: 'lab.test', namespace: 'dev' });
const getPod = 'get pod web-1 -n dev -o name';
const noPod = cannot('get', 'pods', { name: 'web-1', namespace: 'dev' });
const noProdPod = cannot('get', 'pods', { name: 'web-1', namespace: 'prod' });
const noNode = cannot('get', 'nodes', { name: 'n1' });
const inDev = version('v7', v7Rule({ kind: '*' }));
const devNamespace = version('v7', { kind: 'namespace', name: 'dev', verbs: ['*'] });
const everyNamespace = version('v7', { kind: 'namespace', name: '*', verbs: ['*'] });
const devPods = version('v6', podRule('dev'));

/** What roles of each version mean when they say little, and how old versions are read. */
export const versionRows: readonly Row[] = [
  { what: 'v3 without rules allows pods', roles: [version('v3')], ask: getPod, expected: shows('pod/web-1') },
  {
    what: 'v3 without labels selects every cluster',
    roles: [{ version: 'v3', allow: { kubernetes_labels: undefined } }],
    ask: getPod,
    expected: shows('pod/web-1'),
  },
  { what: 'v4 without rules allows pods', roles: [version('v4')], ask: getPod, expected: shows('pod/web-1') },
  {
    what: 'v4 without rules allows kinds it does not know',
    roles: [version('v4')],
    ask: `get ${gear} -n dev -o name`,
    expected: shows(gear),
  },
  {
    what: 'v5 without rules allows nodes',
    roles: [version('v5')],
    ask: 'get node n1 -o name',
    expected: shows('node/n1'),
  },
  {
    what: 'v5 without rules allows kinds it does not know',
    roles: [version('v5')],
    ask: `get ${gear} -n dev -o name`,
    expected: shows(gear),
  },
  { what: 'v6 without rules allows no pods', roles: [version('v6')], ask: getPod, expected: noPod },
  {
    what: 'v6 without rules lists no pods',
    roles: [version('v6')],
    ask: 'get pods -n dev',
    expected: cannot('list', 'pods', { namespace: 'dev' }),
  },
  {
    what: 'v6 without rules allows secrets',
    roles: [version('v6')],
    ask: 'get secret key -n dev -o name',
    expected: shows('secret/key'),
  },
  {
    what: 'v6 without rules allows nodes',
    roles: [version('v6')],
    ask: 'get node n1 -o name',
    expected: shows('node/n1'),
  },
  {
    what: 'v6 without rules allows no kinds it does not know',
    roles: [version('v6')],
    ask: `get ${gear} -n dev`,
    expected: noGear,
  },
  {
    what: 'v7 without rules allows everything',
    roles: [version('v7')],
    ask: `get ${gear} -n dev -o name`,
    expected: shows(gear),
  },
  {
    what: 'v7 does not default verbs',
    roles: [version('v7', v7Rule({ verbs: undefined }))],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'v8 without rules allows everything',
    roles: [version('v8')],
    ask: `get ${gear} -n dev -o name`,
    expected: shows(gear),
  },
  {
    what: 'v8 without rules allows what is no resource',
    roles: [version('v8')],
    ask: raw('/metrics'),
    expected: allowed,
  },
  {
    what: 'v8 does not default verbs',
    roles: [v8(pods({ verbs: undefined }))],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'a role without a version is one of v8',
    roles: [{ allow: { kubernetes_resources: [pods({ name: 'web-1' })] } }],
    ask: getPod,
    expected: shows('pod/web-1'),
  },
  {
    what: 'a role without a version is as narrow as it is written',
    roles: [{ allow: { kubernetes_resources: [pods({ name: 'web-1' })] } }],
    ask: 'get pod web-10 -n dev',
    expected: cannot('get', 'pods', { name: 'web-10', namespace: 'dev' }),
  },

  { what: 'v6 with pods of dev allows them', roles: [devPods], ask: getPod, expected: shows('pod/web-1') },
  {
    what: 'v6 with pods of dev allows no pods of prod',
    roles: [devPods],
    ask: 'get pod web-1 -n prod',
    expected: noProdPod,
  },
  {
    what: 'v6 with pods of dev lists those only',
    roles: [devPods],
    ask: 'get pods -A -o name',
    expected: shows('pod/web-1', 'pod/web-10', 'pod/db-1'),
  },
  {
    what: 'v6 with pods of dev leaves secrets of prod free',
    roles: [devPods],
    ask: 'get secret key -n prod -o name',
    expected: shows('secret/key'),
  },
  {
    what: 'v6 with pods of dev allows no kinds it does not know',
    roles: [devPods],
    ask: `get ${gear} -n dev`,
    expected: noGear,
  },
  {
    what: 'v6 with pods of dev does not reach pods through a node',
    roles: [devPods],
    ask: raw('/api/v1/nodes/n1/proxy/pods'),
    expected: cannot('get', 'nodes/proxy', { name: 'n1' }),
  },
  {
    what: 'v6 with all pods allows everything',
    roles: [version('v6', podRule('*'))],
    ask: `get ${gear} -n dev -o name`,
    expected: shows(gear),
  },
  {
    what: 'v5 with pods by name allows no other',
    roles: [version('v5', podRule('*', 'web-*'))],
    ask: 'get pod db-1 -n dev',
    expected: cannot('get', 'pods', { name: 'db-1', namespace: 'dev' }),
  },

  {
    what: 'v7 namespace allows what is in it',
    roles: [devNamespace],
    ask: 'get configmap settings -n dev -o name',
    expected: shows('configmap/settings'),
  },
  {
    what: 'v7 namespace allows unknown kinds in it',
    roles: [devNamespace],
    ask: `get ${gear} -n dev -o name`,
    expected: shows(gear),
  },
  {
    what: 'v7 namespace allows itself',
    roles: [devNamespace],
    ask: 'get namespace dev -o name',
    expected: shows('namespace/dev'),
  },
  {
    what: 'v7 namespace does not allow another',
    roles: [devNamespace],
    ask: 'get namespace prod',
    expected: cannot('get', 'namespaces', { name: 'prod', namespace: 'prod' }),
  },
  {
    what: 'v7 namespace does not allow what is in another',
    roles: [devNamespace],
    ask: 'get pod web-1 -n prod',
    expected: noProdPod,
  },
  { what: 'v7 namespace does not allow nodes', roles: [devNamespace], ask: 'get node n1', expected: noNode },
  {
    what: 'v7 namespace * allows what is in any',
    roles: [everyNamespace],
    ask: 'get pod web-1 -n prod -o name',
    expected: shows('pod/web-1'),
  },
  {
    what: 'v7 namespace * does not allow what is in none',
    roles: [everyNamespace],
    ask: 'get node n1',
    expected: noNode,
  },
  { what: 'v7 kind * in dev allows pods of dev', roles: [inDev], ask: getPod, expected: shows('pod/web-1') },
  {
    what: 'v7 kind * in dev allows no pods of prod',
    roles: [inDev],
    ask: 'get pod web-1 -n prod',
    expected: noProdPod,
  },
  {
    what: 'v7 kind * in dev reaches nodes',
    roles: [inDev],
    ask: 'get node n1 -o name',
    expected: shows('node/n1'),
  },
  {
    what: 'v7 kind * in dev reaches cluster roles',
    roles: [inDev],
    ask: 'get clusterrole view -o name',
    expected: shows('clusterrole.rbac.authorization.k8s.io/view'),
  },
  {
    what: 'v7 kind * in dev does not reach other namespaces',
    roles: [inDev],
    ask: 'get namespace prod',
    expected: cannot('get', 'namespaces', { name: 'prod', namespace: 'prod' }),
  },
  {
    what: 'v7 kind * in dev does not reach other cluster-wide kinds',
    roles: [inDev],
    ask: 'get priorityclass system-node-critical',
    expected: cannot('get', 'priorityclasses', { name: 'system-node-critical', group: 'scheduling.k8s.io' }),
  },
  {
    what: 'v8 kind * in dev does not reach nodes',
    roles: [v8(any({ namespace: 'dev' }))],
    ask: 'get node n1',
    expected: noNode,
  },
  {
    what: 'v7 ignores the namespace of nodes',
    roles: [version('v7', v7Rule({ kind: 'kube_node' }))],
    ask: 'get node n1 -o name',
    expected: shows('node/n1'),
  },
  {
    what: 'v7 deployment allows deployments',
    roles: [version('v7', v7Rule({ kind: 'deployment' }))],
    ask: 'get deployment web -n dev -o name',
    expected: shows('deployment.apps/web'),
  },
  {
    what: 'v7 deployment does not allow replica sets',
    roles: [version('v7', v7Rule({ kind: 'deployment' }))],
    ask: 'get replicasets -n dev',
    expected: cannot('list', 'replicasets', { group: 'apps', namespace: 'dev' }),
  },
  {
    what: 'v7 ingress is that of networking.k8s.io',
    roles: [version('v7', v7Rule({ kind: 'ingress' }))],
    ask: raw('/apis/networking.k8s.io/v1/namespaces/dev/ingresses'),
    expected: allowed,
  },
  {
    what: 'v7 ingress is not that of extensions',
    roles: [version('v7', v7Rule({ kind: 'ingress' }))],
    ask: raw('/apis/extensions/v1beta1/namespaces/dev/ingresses'),
    expected: cannot('list', 'ingresses', { group: 'extensions', namespace: 'dev' }),
  },
  {
    what: 'v7 pod is pods of the core group only',
    roles: [version('v7', v7Rule())],
    ask: raw('/apis/metrics.k8s.io/v1beta1/namespaces/dev/pods'),
    expected: cannot('list', 'pods', { group: 'metrics.k8s.io', namespace: 'dev' }),
  },
];
