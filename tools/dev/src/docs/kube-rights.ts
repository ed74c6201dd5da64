import { ruleVerb } from '@postern/access';

/** Requests whose right is not the verb that Kubernetes calls them by, and their like. */
const requests = [
  ['pods', 'log', 'get'],
  ['pods', 'exec', 'get'],
  ['pods', 'exec', 'create'],
  ['pods', 'attach', 'create'],
  ['pods', 'portforward', 'create'],
  ['pods', 'ephemeralcontainers', 'patch'],
  ['pods', 'ephemeralcontainers', 'get'],
  ['pods', 'eviction', 'create'],
  ['pods', 'binding', 'create'],
  ['pods', 'resize', 'patch'],
  ['pods', 'proxy', 'get'],
  ['services', 'proxy', 'get'],
  ['nodes', 'proxy', 'get'],
  ['serviceaccounts', 'token', 'create'],
  ['certificatesigningrequests', 'approval', 'update', 'certificates.k8s.io'],
  ['replicationcontrollers', 'scale', 'update'],
  ['pods', 'status', 'patch'],
] as const;

/** The rights that requests in clusters need of `kubernetes_resources`, as libs/access decides them. */
export function kubeRights(): string[] {
  const rows = requests.map(([resource, subresource, verb, apiGroup = '']) => {
    const { allow, deny } = ruleVerb({ apiGroup, resource, subresource, verb });
    const denied = deny.map((each) => `\`${each}\``).join(', ');
    return `| \`${verb} ${resource}/${subresource}\` | \`${allow}\` | ${denied} |`;
  });
  return [
    '## Kubernetes',
    '',
    'Requests to clusters are decided by `libs/access` on the roles of the caller. A rule of `kubernetes_resources` is for a kind and its',
    'subresources alike; most requests need the verb by which Kubernetes itself calls them. What is worth more needs more. For `*` only a',
    'rule for that kind, or for every kind, will do whose verbs are `["*"]`. A kind that no rule names is refused, unless a rule for the kind',
    '`*` in its API group covers it: custom resources too.',
    '',
    '| request | verb that allows it | verbs that deny it, beside `*` |',
    '|---|---|---|',
    ...rows,
    '',
    'A PUT or a server-side apply that may create what does not exist needs `create` too. A collection is deleted whole or not at all',
    '(ADR 14). What is refused is refused before the API server is asked, the same whether the object exists or not.',
    '',
    'Who writes roles, users or tokens of bots gives no more in clusters than he has, unless he may `escalate` on `role` (ADR 32).',
  ];
}
