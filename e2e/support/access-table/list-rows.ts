import { cannot, pods, type Row, shows, v8 } from './row.ts';

const some = [
  v8(
    pods({ name: 'web-*', verbs: ['get', 'list', 'watch'] }),
    pods({ namespace: 'prod', name: '*', verbs: ['get', 'list'] }),
  ),
];

/** Lists are cut down to what may be seen, in every form kubectl asks for. */
export const listRows: readonly Row[] = [
  {
    what: 'a table shows what may be seen',
    roles: some,
    ask: 'get pods -n dev',
    expected: { stdout: /^NAME .*\nweb-1 .*\nweb-10 .*\n$/ },
  },
  {
    what: 'a wide table of all namespaces shows what may be seen',
    roles: some,
    ask: 'get pods -A -o wide',
    expected: { stdout: /^NAMESPACE .*\ndev +web-1 .*\ndev +web-10 .*\nprod +web-1 .*\n$/ },
  },
  {
    what: 'names show what may be seen',
    roles: some,
    ask: 'get pods -n dev -o name',
    expected: shows('pod/web-1', 'pod/web-10'),
  },
  {
    what: 'JSON shows what may be seen',
    roles: some,
    ask: 'get pods -n dev -o json',
    expected: { stdout: /^(?![\s\S]*db-1)[\s\S]*"name": "web-1"[\s\S]*"name": "web-10"/ },
  },
  {
    what: 'YAML shows what may be seen',
    roles: some,
    ask: 'get pods -n dev -o yaml',
    expected: { stdout: /^(?![\s\S]*db-1)[\s\S]*name: web-1\n[\s\S]*name: web-10\n/ },
  },
  {
    what: 'pages of one show what may be seen',
    roles: some,
    ask: 'get pods -n dev --chunk-size=1 -o name',
    expected: shows('pod/web-1', 'pod/web-10'),
  },
  {
    what: 'a label selector shows what may be seen',
    roles: some,
    ask: 'get pods -A -l app=all -o name',
    expected: shows('pod/web-1', 'pod/web-10', 'pod/web-1'),
  },
  {
    what: 'sorted output shows what may be seen',
    roles: some,
    ask: 'get pods -n dev --sort-by=.metadata.name -o name',
    expected: shows('pod/web-1', 'pod/web-10'),
  },
  {
    what: 'several kinds at once show what may be seen, and why not more',
    roles: some,
    ask: 'get pods,secrets -n dev -o name',
    expected: cannot('list', 'secrets', { namespace: 'dev' }),
  },
  {
    what: 'a list in which nothing may be seen is empty',
    roles: [v8(pods({ name: 'none-*' }))],
    ask: 'get pods -n dev -o name',
    expected: shows(),
  },
  {
    what: 'objects of another API group are filtered',
    roles: [v8({ kind: 'widgets', api_group: 'lab.test', namespace: 'dev', name: 'g*', verbs: ['*'] })],
    ask: 'get widgets -A -o name',
    expected: shows('widget.lab.test/gear'),
  },
  {
    what: 'cluster-wide objects are filtered',
    roles: [v8({ kind: 'clusterroles', api_group: 'rbac.authorization.k8s.io', name: 'view', verbs: ['*'] })],
    ask: 'get clusterroles -o name',
    expected: shows('clusterrole.rbac.authorization.k8s.io/view'),
  },
  {
    what: 'namespaces are filtered',
    roles: some,
    ask: 'get namespaces -o name',
    expected: shows('namespace/dev', 'namespace/prod'),
  },
];
