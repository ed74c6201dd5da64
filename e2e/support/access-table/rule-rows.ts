import { cannot, pods, raw, type Row, shows, v8 } from './row.ts';

const getPod = 'get pod web-1 -n dev -o name';
const web1 = shows('pod/web-1');
const noPod = cannot('get', 'pods', { name: 'web-1', namespace: 'dev' });
const noList = cannot('list', 'pods', { namespace: 'dev' });
const noNode = cannot('get', 'nodes', { name: 'n1' });
const node = (part: Record<string, unknown>) => ({
  kind: 'nodes',
  api_group: '',
  name: '*',
  verbs: ['*'],
  ...part,
});
const widget = (group: string) => ({
  kind: 'widgets',
  api_group: group,
  namespace: '*',
  name: '*',
  verbs: ['*'],
});

const verbs: readonly Row[] = [
  { what: 'get allows get', roles: [v8(pods({ verbs: ['get'] }))], ask: getPod, expected: web1 },
  {
    what: 'get does not allow list',
    roles: [v8(pods({ verbs: ['get'] }))],
    ask: 'get pods -n dev',
    expected: noList,
  },
  { what: 'list does not allow get', roles: [v8(pods({ verbs: ['list'] }))], ask: getPod, expected: noPod },
  {
    what: 'list allows list',
    roles: [v8(pods({ verbs: ['list'] }))],
    ask: 'get pods -n dev -o name',
    expected: shows('pod/web-1', 'pod/web-10', 'pod/db-1'),
  },
  {
    what: 'the second of two verbs counts',
    roles: [v8(pods({ verbs: ['list', 'get'] }))],
    ask: getPod,
    expected: web1,
  },
  {
    what: 'verbs of two rules add up',
    roles: [v8(pods({ verbs: ['list'] }), pods({ verbs: ['get'] }))],
    ask: getPod,
    expected: web1,
  },
  {
    what: 'verbs of two roles add up',
    roles: [v8(pods({ verbs: ['list'] })), v8(pods({ verbs: ['get'] }))],
    ask: getPod,
    expected: web1,
  },
  {
    what: 'update does not allow patch',
    roles: [v8(pods({ verbs: ['get', 'update'] }))],
    ask: 'label pod web-1 -n dev a=b --dry-run=server',
    expected: cannot('patch', 'pods', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'patch allows patch',
    roles: [v8(pods({ verbs: ['get', 'patch'] }))],
    ask: 'label pod web-1 -n dev a=b --dry-run=server -o name',
    expected: web1,
  },
  {
    what: 'get does not allow delete',
    roles: [v8(pods({ verbs: ['get', 'list', 'watch'] }))],
    ask: 'delete pod web-1 -n dev --dry-run=server',
    expected: cannot('delete', 'pods', { name: 'web-1', namespace: 'dev' }),
  },
  {
    what: 'delete allows delete',
    roles: [v8(pods({ verbs: ['delete'] }))],
    ask: 'delete pod web-1 -n dev --dry-run=server -o name',
    expected: web1,
  },
];

const names: readonly Row[] = [
  { what: 'a name allows that object', roles: [v8(pods({ name: 'web-1' }))], ask: getPod, expected: web1 },
  {
    what: 'a name does not allow a longer one',
    roles: [v8(pods({ name: 'web-1' }))],
    ask: 'get pod web-10 -n dev',
    expected: cannot('get', 'pods', { name: 'web-10', namespace: 'dev' }),
  },
  {
    what: 'a name does not allow the same in another namespace',
    roles: [v8(pods({ name: 'web-1' }))],
    ask: 'get pod web-1 -n prod',
    expected: cannot('get', 'pods', { name: 'web-1', namespace: 'prod' }),
  },
  {
    what: 'a glob allows what it matches',
    roles: [v8(pods({ name: 'web-*' }))],
    ask: getPod,
    expected: web1,
  },
  {
    what: 'a glob does not allow what it does not match',
    roles: [v8(pods({ name: 'web-*' }))],
    ask: 'get pod db-1 -n dev',
    expected: cannot('get', 'pods', { name: 'db-1', namespace: 'dev' }),
  },
  {
    what: 'a question mark in a name stands for itself',
    roles: [v8(pods({ name: 'web-?' }))],
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'a regular expression allows what it matches',
    roles: [v8(pods({ name: '^web-[0-9]$' }))],
    ask: getPod,
    expected: web1,
  },
  {
    what: 'a regular expression matches whole names',
    roles: [v8(pods({ name: '^web-[0-9]$' }))],
    ask: 'get pod web-10 -n dev',
    expected: cannot('get', 'pods', { name: 'web-10', namespace: 'dev' }),
  },
  { what: 'case distinguishes names', roles: [v8(pods({ name: 'Web-1' }))], ask: getPod, expected: noPod },
  {
    what: 'a name from a trait counts',
    roles: [v8(pods({ name: '{{external.pod}}' }))],
    traits: { pod: ['db-1', 'web-1'] },
    ask: getPod,
    expected: web1,
  },
  {
    what: 'a star in a trait is no wildcard',
    roles: [v8(pods({ name: '{{external.pod}}' }))],
    traits: { pod: ['*'] },
    ask: getPod,
    expected: noPod,
  },
  {
    what: 'a missing trait drops the rule',
    roles: [v8(pods({ name: '{{external.pod}}' }))],
    ask: getPod,
    expected: noPod,
  },
];

const places: readonly Row[] = [
  {
    what: 'a namespace does not allow one that begins like it',
    roles: [v8(pods())],
    ask: 'get pods -n dev-evil',
    expected: cannot('list', 'pods', { namespace: 'dev-evil' }),
  },
  {
    what: 'a glob of a namespace allows both',
    roles: [v8(pods({ namespace: 'dev*' }))],
    ask: 'get pods -n dev-evil -o name',
    expected: shows('pod/web-1'),
  },
  {
    what: 'a regular expression of a namespace matches it whole',
    roles: [v8(pods({ namespace: '^(dev|test)$' }))],
    ask: 'get pods -n dev-evil',
    expected: cannot('list', 'pods', { namespace: 'dev-evil' }),
  },
  {
    what: 'a list of all namespaces shows the allowed one',
    roles: [v8(pods())],
    ask: 'get pods -A -o name',
    expected: shows('pod/web-1', 'pod/web-10', 'pod/db-1'),
  },
  {
    what: 'a kind is never a glob',
    roles: [v8({ ...pods(), kind: 'pod*', api_group: '*' })],
    ask: getPod,
    expected: noPod,
  },
  { what: 'a kind is no other kind', roles: [v8(pods({ kind: 'secrets' }))], ask: getPod, expected: noPod },
  {
    what: 'an API group allows its kind',
    roles: [v8(widget('lab.test'))],
    ask: 'get widgets gear -n dev -o name',
    expected: shows('widget.lab.test/gear'),
  },
  {
    what: 'a glob of an API group allows its kind',
    roles: [v8(widget('*.test'))],
    ask: 'get widgets gear -n dev -o name',
    expected: shows('widget.lab.test/gear'),
  },
  {
    what: 'another API group does not allow the kind',
    roles: [v8(widget('lab.example.org'))],
    ask: 'get widgets gear -n dev',
    expected: cannot('get', 'widgets', { name: 'gear', group: 'lab.test', namespace: 'dev' }),
  },
  {
    what: 'a rule for pods is none for the pods of another API group (P-15, P-18)',
    roles: [v8(pods())],
    ask: raw('/apis/lab.test/v1/namespaces/dev/pods/web-1'),
    expected: cannot('get', 'pods', { name: 'web-1', group: 'lab.test', namespace: 'dev' }),
  },
  {
    what: 'a kind nobody wrote a rule for is refused',
    roles: [v8(pods())],
    ask: 'get widgets gear -n dev',
    expected: cannot('get', 'widgets', { name: 'gear', group: 'lab.test', namespace: 'dev' }),
  },
  {
    what: 'a kind nobody wrote a rule for cannot be listed',
    roles: [v8(pods())],
    ask: 'get widgets -A',
    expected: cannot('list', 'widgets', { group: 'lab.test' }),
  },
  {
    what: 'nodes without a namespace are allowed',
    roles: [v8(node({}))],
    ask: 'get node n1 -o name',
    expected: shows('node/n1'),
  },
  {
    what: 'nodes in every namespace are allowed',
    roles: [v8(node({ namespace: '*' }))],
    ask: 'get node n1 -o name',
    expected: shows('node/n1'),
  },
  {
    what: 'nodes in one namespace match nothing',
    roles: [v8(node({ namespace: 'dev' }))],
    ask: 'get node n1',
    expected: noNode,
  },
  {
    what: 'nodes in namespaces that have a name match nothing',
    roles: [v8(node({ namespace: '^.+$' }))],
    ask: 'get node n1',
    expected: noNode,
  },
  {
    what: 'nodes cannot be listed by who has pods',
    roles: [v8(pods({ namespace: '*' }))],
    ask: 'get nodes',
    expected: cannot('list', 'nodes'),
  },
];

/** Rules matched against one concrete request: verb, kind, API group, namespace, name. */
export const ruleRows: readonly Row[] = [...verbs, ...names, ...places];
