import { any, cannot, pods, raw, refused, type RoleParts, type Row, shows, v8 } from './row.ts';

const getPod = 'get pod web-1 -n dev -o name';
const web1 = shows('pod/web-1');
const noPod = cannot('get', 'pods', { name: 'web-1', namespace: 'dev' });
const noList = cannot('list', 'pods', { namespace: 'dev' });
const node = (part: Record<string, unknown>) => ({
  kind: 'nodes',
  api_group: '',
  name: '*',
  verbs: ['*'],
  ...part,
});
const namespaces = (part: Record<string, unknown>) => ({
  kind: 'namespaces',
  api_group: '',
  name: 'dev',
  verbs: ['*'],
  ...part,
});
const denying = (...rules: readonly object[]): RoleParts => ({
  version: 'v8',
  deny: { kubernetes_resources: rules },
});
const noOther = (verb: string) => cannot(verb, 'namespaces', { name: 'prod', namespace: 'prod' });
const noDelete = cannot('delete', 'namespaces', { name: 'dev', namespace: 'dev' });
const deleteDev = 'delete namespace dev --dry-run=server -o name';

const denials: readonly Row[] = [
  {
    what: 'a denial wins over everything allowed',
    roles: [v8(any()), denying(pods({ name: 'web-1' }))],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'a denial leaves the next name alone',
    roles: [v8(any()), denying(pods({ name: 'web-1' }))],
    ask: 'get pod web-10 -n dev -o name',
    expected: shows('pod/web-10'),
  },
  {
    what: 'a denial leaves the next namespace alone',
    roles: [v8(any()), denying(pods({ name: 'web-1' }))],
    ask: 'get pod web-1 -n prod -o name',
    expected: web1,
  },
  {
    what: 'a denial of one verb leaves others alone',
    roles: [v8(any()), denying(pods({ verbs: ['delete'] }))],
    ask: getPod,
    expected: web1,
  },
  {
    what: 'a denial of one verb wins for that verb',
    roles: [v8(any()), denying(pods({ verbs: ['delete'] }))],
    ask: 'delete pod web-1 -n dev --dry-run=server',
    expected: cannot('delete', 'pods', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'what is denied is missing from a list',
    roles: [v8(any()), denying(pods({ name: 'web-*' }))],
    ask: 'get pods -n dev -o name',
    expected: shows('pod/db-1'),
  },
  {
    what: 'a denial of a whole namespace refuses its list',
    roles: [v8(any()), denying(pods())],
    ask: 'get pods -n dev',
    expected: noList,
  },
  {
    what: 'a denial of a whole namespace leaves lists of all namespaces without it',
    roles: [v8(pods({ namespace: '*' })), denying(pods())],
    ask: 'get pods -A -o custom-columns=:metadata.namespace --no-headers',
    expected: shows('dev-evil', 'prod'),
  },
  {
    what: 'a denial of every kind refuses all',
    roles: [v8(any()), denying(any({ namespace: 'dev' }))],
    ask: 'get secret key -n dev',
    expected: cannot('get', 'secrets', { name: 'key', namespace: 'dev' }),
  },
  {
    what: 'a denial of another kind does not hide namespaces',
    roles: [v8(any()), denying(any({ kind: 'secrets', api_group: '' }))],
    ask: 'get namespace dev -o name',
    expected: shows('namespace/dev'),
  },
  {
    what: 'a denial of namespaces hides them',
    roles: [v8(any()), denying(namespaces({}))],
    ask: 'get namespace dev',
    expected: cannot('get', 'namespaces', { name: 'dev', namespace: 'dev' }),
  },
  {
    what: 'a role of v7 denies in every API group',
    roles: [
      v8(any()),
      {
        version: 'v7',
        deny: { kubernetes_resources: [{ kind: 'ingress', namespace: '*', name: '*', verbs: ['*'] }] },
      },
    ],
    ask: raw('/apis/extensions/v1beta1/namespaces/dev/ingresses'),
    expected: cannot('list', 'ingresses', { group: 'extensions', namespace: 'dev' }),
  },
];

const ofNamespaces: readonly Row[] = [
  {
    what: 'who has pods in a namespace may see it',
    roles: [v8(pods())],
    ask: 'get namespace dev -o name',
    expected: shows('namespace/dev'),
  },
  {
    what: 'who has pods in a namespace does not see another',
    roles: [v8(pods())],
    ask: 'get namespace prod',
    expected: noOther('get'),
  },
  {
    what: 'who has pods in a namespace lists that one',
    roles: [v8(pods())],
    ask: 'get namespaces -o name',
    expected: shows('namespace/dev'),
  },
  {
    what: 'who has pods in a namespace may not delete it',
    roles: [v8(pods())],
    ask: deleteDev,
    expected: noDelete,
  },
  {
    what: 'who has everything in a namespace may delete it',
    roles: [v8(any({ namespace: 'dev' }))],
    ask: deleteDev,
    expected: shows('namespace/dev'),
  },
  {
    what: 'who has everything by some name in a namespace may not delete it',
    roles: [v8(any({ namespace: 'dev', name: 'web-*' }))],
    ask: deleteDev,
    expected: noDelete,
  },
  {
    what: 'who has everything in a namespace may not delete another',
    roles: [v8(any({ namespace: 'dev' }))],
    ask: 'delete namespace prod --dry-run=server',
    expected: noOther('delete'),
  },
  {
    what: 'a rule for namespaces by name allows that one',
    roles: [v8(namespaces({}))],
    ask: deleteDev,
    expected: shows('namespace/dev'),
  },
  {
    what: 'a rule for namespaces by name allows no other',
    roles: [v8(namespaces({}))],
    ask: 'get namespace prod',
    expected: noOther('get'),
  },
  {
    what: 'a rule for namespaces does not allow what is in them',
    roles: [v8(namespaces({}))],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'who may do nothing in namespaces cannot list them',
    roles: [v8(node({}))],
    ask: 'get namespaces',
    expected: cannot('list', 'namespaces'),
  },
];

const principals: readonly Row[] = [
  {
    what: 'a role without groups and users does not allow Kubernetes access',
    roles: [{ version: 'v8', allow: { kubernetes_groups: [] } }],
    ask: getPod,
    expected: refused(
      "Your user's Teleport role does not allow Kubernetes access. Please ask cluster administrator to ensure your role has appropriate kubernetes_groups and kubernetes_users set.",
    ),
  },
  {
    what: 'a denied group is taken away',
    roles: [
      v8(any()),
      { version: 'v8', allow: { kubernetes_groups: [] }, deny: { kubernetes_groups: ['lab-admins'] } },
    ],
    ask: getPod,
    expected: refused(
      "Your user's Teleport role does not allow Kubernetes access. Please ask cluster administrator to ensure your role has appropriate kubernetes_groups and kubernetes_users set.",
    ),
  },
  {
    what: 'groups come from traits',
    roles: [{ version: 'v8', allow: { kubernetes_groups: ['{{internal.kubernetes_groups}}'] } }],
    traits: { kubernetes_groups: ['lab-admins'] },
    ask: getPod,
    expected: web1,
  },
  {
    what: 'a trait cannot say system:masters',
    roles: [
      { version: 'v8', allow: { kubernetes_groups: ['{{internal.kubernetes_groups}}', 'lab-nobodies'] } },
    ],
    traits: { kubernetes_groups: ['system:masters'] },
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'the API server has the last word',
    roles: [{ version: 'v8', allow: { kubernetes_groups: ['lab-nobodies'] } }],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'a role whose rules do not match gives no groups',
    roles: [
      { version: 'v8', allow: { kubernetes_groups: ['lab-nobodies'], kubernetes_resources: [pods()] } },
      v8(pods({ namespace: 'prod' })),
    ],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'a user with a role that is not about Kubernetes gets nowhere',
    roles: [
      { version: 'v8', allow: { kubernetes_labels: undefined, rules: [{ resources: ['*'], verbs: ['*'] }] } },
    ],
    ask: getPod,
    expected: refused(
      'access to Kubernetes cluster "plain" denied: kubernetes_labels of none of your roles match it',
    ),
  },
];

/** What is denied, what goes for namespaces themselves, and who a request runs as. */
export const denialRows: readonly Row[] = [...denials, ...ofNamespaces, ...principals];
