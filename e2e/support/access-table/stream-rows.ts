import { any, cannot, pods, raw, type RoleParts, type Row, v8 } from './row.ts';

const inDev = '/api/v1/namespaces/dev';
const everyVerb = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'exec',
  'portforward',
];
const everyVerbByName = [v8(any({ verbs: everyVerb }))];
const withoutStreams = [
  v8(any({ verbs: everyVerb.filter((verb) => verb !== 'exec' && verb !== 'portforward') })),
];
const webSocket = [
  'connection',
  'Upgrade',
  'upgrade',
  'websocket',
  'sec-websocket-version',
  '13',
  'sec-websocket-key',
  'AAAAAAAAAAAAAAAAAAAAAA==',
  'sec-websocket-protocol',
  'v4.channel.k8s.io',
];
const spdy = [
  'connection',
  'Upgrade',
  'upgrade',
  'SPDY/3.1',
  'x-stream-protocol-version',
  'v4.channel.k8s.io',
];

interface Asked {
  readonly method?: string;
  readonly headers?: readonly string[];
  readonly roles?: readonly RoleParts[];
}

const row = (
  what: string,
  path: string,
  expected: Row['expected'],
  { method, headers = [], roles = withoutStreams }: Asked = {},
): Row => ({
  what,
  roles,
  ask: { ...raw(path, method), headers },
  expected,
});

const pod = (verb: string, subresource: string, name = 'web-1') =>
  cannot(verb, `pods/${subresource}`, { name, namespace: 'dev' });
const web = { name: 'web-1', namespace: 'dev' };

/** Subresources that are worth more than their method says: each is refused to who has every other verb. */
export const streamRows: readonly Row[] = [
  row(
    'exec over a WebSocket is exec and not get',
    `${inDev}/pods/web-1/exec?command=id&stdout=1`,
    pod('get', 'exec'),
    { headers: webSocket },
  ),
  row(
    'exec over SPDY is exec and not create',
    `${inDev}/pods/web-1/exec?command=id&stdout=1`,
    pod('create', 'exec'),
    { method: 'POST', headers: spdy },
  ),
  row(
    'attach over a WebSocket is exec and not get',
    `${inDev}/pods/web-1/attach?stdout=1`,
    pod('get', 'attach'),
    { headers: webSocket },
  ),
  row(
    'attach over SPDY is exec and not create',
    `${inDev}/pods/web-1/attach?stdout=1`,
    pod('create', 'attach'),
    { method: 'POST', headers: spdy },
  ),
  row(
    'port-forward over a WebSocket is portforward and not get',
    `${inDev}/pods/web-1/portforward?ports=80`,
    pod('get', 'portforward'),
    { headers: webSocket },
  ),
  row(
    'port-forward over SPDY is portforward and not create',
    `${inDev}/pods/web-1/portforward`,
    pod('create', 'portforward'),
    { method: 'POST', headers: spdy },
  ),
  row('exec does not allow port-forward', `${inDev}/pods/web-1/portforward`, pod('create', 'portforward'), {
    method: 'POST',
    headers: spdy,
    roles: [v8(pods({ verbs: ['get', 'exec'] }))],
  }),
  row('portforward does not allow exec', `${inDev}/pods/web-1/exec?command=id`, pod('create', 'exec'), {
    method: 'POST',
    headers: spdy,
    roles: [v8(pods({ verbs: ['get', 'portforward'] }))],
  }),
  row(
    'exec of a longer name is refused',
    `${inDev}/pods/web-10/exec?command=id`,
    pod('create', 'exec', 'web-10'),
    { method: 'POST', headers: spdy, roles: [v8(pods({ name: 'web-1', verbs: ['exec'] }))] },
  ),
  row(
    'the exec of a kubelet is refused to who has every verb by name',
    '/api/v1/nodes/n1/proxy/exec/dev/web-1/main?command=id&output=1',
    cannot('get', 'nodes/proxy', { name: 'n1' }),
    { headers: webSocket, roles: everyVerbByName },
  ),
  row(
    'the run of a kubelet is refused to who has every verb by name',
    '/api/v1/nodes/n1/proxy/run/dev/web-1/main?cmd=id',
    cannot('create', 'nodes/proxy', { name: 'n1' }),
    { method: 'POST', roles: everyVerbByName },
  ),
  row(
    'a node by scheme and port is a node',
    '/api/v1/nodes/https:n1:10250/proxy/pods',
    cannot('get', 'nodes/proxy', { name: 'https:n1:10250' }),
    { roles: everyVerbByName },
  ),
  row(
    'a service by scheme is a service',
    `${inDev}/services/https:web:/proxy/`,
    cannot('get', 'services/proxy', { name: 'https:web:', namespace: 'dev' }),
    { roles: everyVerbByName },
  ),
  row(
    'a pod by port is not reached through its proxy',
    `${inDev}/pods/web-1:9090/proxy/`,
    pod('get', 'proxy', 'web-1:9090'),
    { roles: everyVerbByName },
  ),
  row(
    'a token of a service account is refused to who has every verb by name',
    `${inDev}/serviceaccounts/default/token`,
    cannot('create', 'serviceaccounts/token', { name: 'default', namespace: 'dev' }),
    { method: 'POST', roles: everyVerbByName },
  ),
  row(
    'a denial of exec refuses ephemeral containers',
    `${inDev}/pods/web-1/ephemeralcontainers`,
    cannot('patch', 'pods/ephemeralcontainers', web),
    {
      method: 'PATCH',
      roles: [v8(any()), { version: 'v8', deny: { kubernetes_resources: [pods({ verbs: ['exec'] })] } }],
    },
  ),
  row(
    'a denial of delete refuses evictions',
    `${inDev}/pods/web-1/eviction`,
    cannot('create', 'pods/eviction', web),
    {
      method: 'POST',
      roles: [v8(any()), { version: 'v8', deny: { kubernetes_resources: [pods({ verbs: ['delete'] })] } }],
    },
  ),
  row('a denial of get refuses logs', `${inDev}/pods/web-1/log`, cannot('get', 'pods/log', web), {
    roles: [{ version: 'v8', deny: { kubernetes_resources: [pods({ verbs: ['get'] })] } }, v8(any())],
  }),
];
