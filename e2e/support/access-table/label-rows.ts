import { allowed, any, type Expected, refused, type Row } from './row.ts';

/** The clusters that rows choose among; all of them are one API server. */
export const clusters = {
  plain: {},
  prod: { env: 'prod', tier: 'gold', team: 'a.b' },
  test: { env: 'test', team: 'axb' },
} as const;

const unmatched = (cluster: keyof typeof clusters) =>
  refused(
    `access to Kubernetes cluster "${cluster}" denied: kubernetes_labels of none of your roles match it`,
  );

type Labels = Readonly<Record<string, string | readonly string[]>>;

const selects = (
  labels: Labels | undefined,
  cluster: keyof typeof clusters,
  expected: Expected,
  what: string,
): Row => ({
  what,
  roles: [{ version: 'v8', allow: { kubernetes_labels: labels, kubernetes_resources: [any()] } }],
  cluster,
  ask: 'get pods -n dev',
  expected,
});

const expression = (text: string, labels: Labels | undefined): Row['roles'] => [
  { version: 'v8', allow: { kubernetes_labels: labels, kubernetes_labels_expression: text } },
];

/** Label selectors: which clusters a role is about. */
export const labelRows: readonly Row[] = [
  selects({ '*': '*' }, 'plain', allowed, 'the wildcard selects a cluster without labels of its own'),
  selects({ '*': '*' }, 'prod', allowed, 'the wildcard selects a cluster with labels'),
  selects({}, 'prod', unmatched('prod'), 'an empty selector selects nothing'),
  selects({ env: 'prod' }, 'prod', allowed, 'an equal value selects'),
  selects({ env: 'prod' }, 'test', unmatched('test'), 'another value does not select'),
  selects({ env: 'prod' }, 'plain', unmatched('plain'), 'a missing key does not select'),
  selects({ env: 'PROD' }, 'prod', unmatched('prod'), 'case distinguishes values'),
  selects({ ENV: 'prod' }, 'prod', unmatched('prod'), 'case distinguishes keys'),
  selects({ env: ['test', 'prod'] }, 'prod', allowed, 'any value of a list selects'),
  selects({ env: ['test', 'stage'] }, 'prod', unmatched('prod'), 'a list without the value does not select'),
  selects({ env: '*' }, 'prod', allowed, 'the value * selects any value'),
  selects({ env: '*' }, 'plain', unmatched('plain'), 'the value * still needs the key'),
  selects({ env: ['x', '*'] }, 'test', allowed, 'a list with * selects any value'),
  selects({ env: ['x', '*'] }, 'plain', unmatched('plain'), 'a list with * still needs the key'),
  selects({ env: 'pr*' }, 'prod', allowed, 'a glob selects by its beginning'),
  selects({ env: '*od' }, 'prod', allowed, 'a glob selects by its end'),
  selects({ env: 'ro*' }, 'prod', unmatched('prod'), 'a glob is anchored at the beginning'),
  selects({ env: 'p*o' }, 'prod', unmatched('prod'), 'a glob is anchored at the end'),
  selects({ env: 'pro?' }, 'prod', unmatched('prod'), 'a question mark stands for itself'),
  selects({ team: 'a.b' }, 'prod', allowed, 'a dot selects a dot'),
  selects({ team: 'a.b' }, 'test', unmatched('test'), 'a dot stands for itself'),
  selects({ team: '^a.b$' }, 'test', allowed, 'a dot of a regular expression is any character'),
  selects({ env: '^(prod|stage)$' }, 'prod', allowed, 'a regular expression selects'),
  selects(
    { env: '^(pro|stage)$' },
    'prod',
    unmatched('prod'),
    'a regular expression matches the whole value',
  ),
  selects({ env: '^prod' }, 'prod', unmatched('prod'), 'a text with ^ alone is no regular expression'),
  selects({ env: 'prod$' }, 'prod', unmatched('prod'), 'a text with $ alone is no regular expression'),
  selects({ env: 'prod', tier: 'gold' }, 'prod', allowed, 'all keys of a selector match'),
  selects({ env: 'prod', tier: 'iron' }, 'prod', unmatched('prod'), 'one key of two is not enough'),
  {
    what: 'labels on the deny side refuse a cluster that the allow side selects',
    roles: [{ version: 'v8', allow: {}, deny: { kubernetes_labels: { env: 'prod' } } }],
    cluster: 'prod',
    ask: 'get pods -n dev',
    expected: refused(
      'access to Kubernetes cluster "prod" denied by kubernetes_labels on the deny side of role "ROLE"',
    ),
  },
  {
    what: 'labels on the deny side leave other clusters alone',
    roles: [{ version: 'v8', allow: {}, deny: { kubernetes_labels: { env: 'prod' } } }],
    cluster: 'test',
    ask: 'get pods -n dev',
    expected: allowed,
  },
  {
    what: 'an expression selects',
    roles: expression('labels["env"] == "prod"', undefined),
    cluster: 'prod',
    ask: 'get pods -n dev',
    expected: allowed,
  },
  {
    what: 'an expression does not select another value',
    roles: expression('labels["env"] == "prod"', undefined),
    cluster: 'test',
    ask: 'get pods -n dev',
    expected: unmatched('test'),
  },
  {
    what: 'beside labels an expression must match as well',
    roles: expression('labels["tier"] == "gold"', { env: 'test' }),
    cluster: 'prod',
    ask: 'get pods -n dev',
    expected: unmatched('prod'),
  },
  {
    what: 'a cluster is selected by the second of two roles',
    roles: [
      { version: 'v8', allow: { kubernetes_labels: { env: 'prod' } } },
      { version: 'v8', allow: { kubernetes_labels: { env: 'test' } } },
    ],
    cluster: 'test',
    ask: 'get pods -n dev',
    expected: allowed,
  },
  {
    what: 'a rule for pods on one cluster is no rule for pods on another',
    roles: [
      { version: 'v8', allow: { kubernetes_labels: { env: 'prod' }, kubernetes_resources: [any()] } },
      {
        version: 'v8',
        allow: {
          kubernetes_labels: { env: 'test' },
          kubernetes_resources: [any({ kind: 'secrets', api_group: '' })],
        },
      },
    ],
    cluster: 'test',
    ask: 'get pods web-1 -n dev',
    expected: refused(
      'pods "web-1" is forbidden: User "USER" cannot get resource "pods" in API group "" in the namespace "dev"',
    ),
  },
];
