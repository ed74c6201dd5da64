import { allowed, any, cannot, pods, raw, refused, type Row, shows, v8 } from './row.ts';

const inDev = '/api/v1/namespaces/dev';
const listOnly = [v8(pods({ verbs: ['list'] }))];
const noWatch = cannot('watch', 'pods', { namespace: 'dev' });
const withoutExec = v8(
  pods({ verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'portforward'] }),
);
const manifest = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...(name.endsWith('-') ? { generateName: name } : { name }), namespace: 'dev' },
    spec: { containers: [{ name: 'main', image: 'none' }] },
  });
const create = (what: string, name: string, expected: Row['expected']): Row => ({
  what,
  roles: [v8(pods({ name: 'job-*' }))],
  ask: 'create -f - --dry-run=server -o name --validate=false',
  input: manifest(name),
  expected,
});
// A pod that is on no node: who may, is told so by the API server, which has checked nothing more by then.
const unscheduled = refused('pod web-1 does not have a host assigned');

/** What a request is taken for: its verb, its resource, its name. */
export const requestRows: readonly Row[] = [
  { what: 'watch=1 is a watch', roles: listOnly, ask: raw(`${inDev}/pods?watch=1`), expected: noWatch },
  { what: 'watch=true is a watch', roles: listOnly, ask: raw(`${inDev}/pods?watch=true`), expected: noWatch },
  { what: 'watch=yes is a watch', roles: listOnly, ask: raw(`${inDev}/pods?watch=yes`), expected: noWatch },
  { what: 'an empty watch is a watch', roles: listOnly, ask: raw(`${inDev}/pods?watch=`), expected: noWatch },
  { what: 'watch=0 is a list', roles: listOnly, ask: raw(`${inDev}/pods?watch=0`), expected: allowed },
  {
    what: 'watch=false is a list',
    roles: listOnly,
    ask: raw(`${inDev}/pods?watch=false`),
    expected: allowed,
  },
  {
    what: 'the old watch path is a watch',
    roles: listOnly,
    ask: raw('/api/v1/watch/namespaces/dev/pods'),
    expected: noWatch,
  },
  {
    what: 'list does not allow kubectl to watch',
    roles: listOnly,
    ask: 'get pods -n dev --watch-only',
    expected: noWatch,
  },
  {
    what: 'GET with a name is get',
    roles: listOnly,
    ask: raw('/api/v1/namespaces/dev/pods/web-1'),
    expected: cannot('get', 'pods', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'POST is create',
    roles: listOnly,
    ask: {
      ...raw(`${inDev}/pods`, 'POST'),
      headers: ['content-type', 'application/json'],
      body: manifest('web-9'),
    },
    expected: cannot('create', 'pods', { name: 'web-9', namespace: 'dev' }),
  },
  {
    what: 'PUT is update',
    roles: listOnly,
    ask: {
      ...raw(`${inDev}/pods/web-1`, 'PUT'),
      headers: ['content-type', 'application/json'],
      body: manifest('web-1'),
    },
    expected: cannot('update', 'pods', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'DELETE with a name is delete',
    roles: listOnly,
    ask: raw(`${inDev}/pods/web-1`, 'DELETE'),
    expected: cannot('delete', 'pods', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'DELETE without a name is deletecollection',
    roles: [v8(pods({ verbs: ['delete', 'list'] }))],
    ask: raw(`${inDev}/pods?dryRun=All`, 'DELETE'),
    expected: cannot('deletecollection', 'pods', { namespace: 'dev' }),
  },
  {
    what: 'deletecollection deletes what may be deleted altogether',
    roles: [v8(pods({ verbs: ['deletecollection', 'list'] }))],
    ask: raw(`${inDev}/pods?dryRun=All`, 'DELETE'),
    expected: allowed,
  },
  {
    what: 'deletecollection does not allow kubectl to delete by name',
    roles: [v8(pods({ verbs: ['deletecollection', 'list', 'get'] }))],
    ask: 'delete pods --all -n dev --dry-run=server',
    expected: cannot('delete', 'pods', { name: 'db-1', namespace: 'dev' }),
  },

  create('create knows the name in the body', 'job-1', shows('pod/job-1')),
  create(
    'create refuses another name in the body',
    'web-9',
    cannot('create', 'pods', { name: 'web-9', namespace: 'dev' }),
  ),
  create(
    'create refuses a name that will be generated otherwise',
    'web-',
    cannot('create', 'pods', { name: 'web-bbbbb', namespace: 'dev' }),
  ),
  create('create allows a name that will be generated within the rule', 'job-', {
    stdout: /^pod\/job-\w+\n$/,
  }),

  {
    what: 'logs are read by who may get',
    roles: [v8(pods({ verbs: ['get'] }))],
    ask: raw(`${inDev}/pods/web-1/log`),
    expected: allowed,
  },
  {
    what: 'logs are not read by who may list',
    roles: listOnly,
    ask: raw(`${inDev}/pods/web-1/log`),
    expected: cannot('get', 'pods/log', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'exec needs more than every other verb',
    roles: [withoutExec],
    ask: 'exec web-1 -n dev -- true',
    expected: cannot('create', 'pods/exec', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'attach needs more than every other verb',
    roles: [withoutExec],
    ask: 'attach web-1 -n dev',
    expected: cannot('create', 'pods/attach', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'exec by GET needs more than every other verb',
    roles: [withoutExec],
    ask: raw(`${inDev}/pods/web-1/exec?command=true`),
    expected: cannot('get', 'pods/exec', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'exec is allowed by exec',
    roles: [v8(pods({ verbs: ['get', 'exec'] }))],
    ask: 'exec web-1 -n dev -- true',
    expected: unscheduled,
  },
  {
    what: 'exec of another pod is refused',
    roles: [v8(pods({ name: 'db-*', verbs: ['get', 'exec'] }), pods({ verbs: ['get'] }))],
    ask: 'exec web-1 -n dev -- true',
    expected: cannot('create', 'pods/exec', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'copying needs exec',
    roles: [withoutExec],
    ask: 'cp dev/web-1:/etc/passwd copied',
    expected: cannot('create', 'pods/exec', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'forwarding a port needs portforward',
    roles: [v8(pods({ verbs: ['get', 'create', 'exec'] }))],
    ask: raw(`${inDev}/pods/web-1/portforward`, 'POST'),
    expected: cannot('create', 'pods/portforward', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'an ephemeral container needs exec',
    roles: [withoutExec],
    ask: {
      ...raw(`${inDev}/pods/web-1/ephemeralcontainers`, 'PATCH'),
      headers: ['content-type', 'application/merge-patch+json'],
      body: '{}',
    },
    expected: cannot('patch', 'pods/ephemeralcontainers', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'an eviction is a delete',
    roles: [v8(pods({ verbs: ['create'] }))],
    ask: {
      ...raw(`${inDev}/pods/web-1/eviction`, 'POST'),
      headers: ['content-type', 'application/json'],
      body: '{}',
    },
    expected: cannot('create', 'pods/eviction', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'the proxy of a pod needs every verb',
    roles: [withoutExec],
    ask: raw(`${inDev}/pods/web-1/proxy/`),
    expected: cannot('get', 'pods/proxy', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'the proxy of a node needs every verb',
    roles: [v8({ kind: 'nodes', api_group: '', name: '*', verbs: ['get', 'create'] })],
    ask: raw('/api/v1/nodes/n1/proxy/metrics'),
    expected: cannot('get', 'nodes/proxy', { name: 'n1' }),
  },
  {
    what: 'a service account token needs every verb',
    roles: [v8(pods({ kind: 'serviceaccounts', verbs: ['get', 'create'] }))],
    ask: {
      ...raw(`${inDev}/serviceaccounts/default/token`, 'POST'),
      headers: ['content-type', 'application/json'],
      body: '{}',
    },
    expected: cannot('create', 'serviceaccounts/token', { name: 'default', namespace: 'dev' }),
  },
  {
    what: 'a status is written by who may update',
    roles: [v8(pods({ verbs: ['get'] }))],
    ask: {
      ...raw(`${inDev}/pods/web-1/status`, 'PATCH'),
      headers: ['content-type', 'application/merge-patch+json'],
      body: '{}',
    },
    expected: cannot('patch', 'pods/status', { name: 'web-1', namespace: 'dev' }),
  },

  {
    what: 'discovery is open to who may little',
    roles: listOnly,
    ask: 'api-versions',
    expected: { stdout: /^coordination\.k8s\.io\/v1$/m },
  },
  {
    what: 'the version is open to who may little',
    roles: listOnly,
    ask: raw('/version'),
    expected: { stdout: /gitVersion/ },
  },
  {
    what: 'metrics are not open to who may little',
    roles: listOnly,
    ask: raw('/metrics'),
    expected: refused('forbidden: User "USER" cannot get path "/metrics"'),
  },
  {
    what: 'metrics are not open to who may read everything',
    roles: [v8(any({ verbs: ['get', 'list', 'watch'] }))],
    ask: raw('/metrics'),
    expected: refused('forbidden: User "USER" cannot get path "/metrics"'),
  },
  {
    what: 'a field selector on the name is that name',
    roles: [v8(pods({ name: 'web-1' }))],
    ask: 'get pods -n dev --field-selector metadata.name=web-1 -o name',
    expected: shows('pod/web-1'),
  },
  {
    what: 'a field selector on another name is refused',
    roles: [v8(pods({ name: 'web-1' }))],
    ask: 'get pods -n dev --field-selector metadata.name=db-1',
    expected: cannot('list', 'pods', { name: 'db-1', namespace: 'dev' }),
  },
  {
    what: 'a path with dots is not read',
    roles: [v8(pods())],
    ask: raw('/api/v1/namespaces/dev/pods/..%2f..%2fprod/pods/web-1'),
    expected: refused('invalid_path: the escape %2f is not canonical; send the path in its canonical form'),
  },
];
