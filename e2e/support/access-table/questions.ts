import { any, pods, raw, type RoleParts, type Row, v8 } from './row.ts';

/** A question to `kubectl auth can-i`, and the command that shows whether its answer is true. */
export interface Question {
  readonly what: string;
  readonly roles: readonly RoleParts[];
  readonly asks: string;
  readonly answer: 'yes' | 'no';
  readonly command: Row['ask'];
}

const web = [v8(pods({ name: 'web-*', verbs: ['get', 'list'] }))];
const readers = [
  v8(any({ verbs: ['get', 'list', 'watch'] })),
  { version: 'v8', deny: { kubernetes_resources: [any({ kind: 'secrets', api_group: '' })] } },
];

/** Questions with true and false answers. */
export const questions: readonly Question[] = [
  {
    what: 'getting a pod that is allowed',
    roles: web,
    asks: 'get pods/web-1 -n dev',
    answer: 'yes',
    command: 'get pod web-1 -n dev',
  },
  {
    what: 'getting a pod that is not',
    roles: web,
    asks: 'get pods/db-1 -n dev',
    answer: 'no',
    command: 'get pod db-1 -n dev',
  },
  {
    what: 'listing pods of a namespace some of which may be seen',
    roles: web,
    asks: 'list pods -n dev',
    answer: 'yes',
    command: 'get pods -n dev',
  },
  {
    what: 'listing pods of another namespace',
    roles: web,
    asks: 'list pods -n prod',
    answer: 'no',
    command: 'get pods -n prod',
  },
  {
    what: 'deleting a pod',
    roles: web,
    asks: 'delete pods/web-1 -n dev',
    answer: 'no',
    command: 'delete pod web-1 -n dev --dry-run=server',
  },
  {
    what: 'running commands in a pod',
    roles: web,
    asks: 'create pods/web-1 --subresource=exec -n dev',
    answer: 'no',
    command: 'exec web-1 -n dev -- true',
  },
  {
    what: 'reading the logs of a pod',
    roles: web,
    asks: 'get pods/web-1 --subresource=log -n dev',
    answer: 'yes',
    command: 'logs web-1 -n dev',
  },
  { what: 'getting nodes', roles: web, asks: 'get nodes', answer: 'no', command: 'get node n1' },
  {
    what: 'doing everything',
    roles: web,
    asks: '* * --all-namespaces',
    answer: 'no',
    command: 'get secrets -A',
  },
  {
    what: 'doing everything, as one who may',
    roles: [v8(any())],
    asks: '* *',
    answer: 'yes',
    command: 'get secrets -A',
  },
  {
    what: 'getting secrets that are denied',
    roles: readers,
    asks: 'get secrets/key -n dev',
    answer: 'no',
    command: 'get secret key -n dev',
  },
  {
    what: 'getting a kind of a group of its own',
    roles: readers,
    asks: 'get widgets.lab.test/gear -n dev',
    answer: 'yes',
    command: 'get widgets gear -n dev',
  },
  { what: 'reading a path', roles: readers, asks: 'get /metrics', answer: 'no', command: raw('/metrics') },
  {
    what: 'reading a path, as one who may',
    roles: [v8(any())],
    asks: 'get /metrics',
    answer: 'yes',
    command: raw('/metrics'),
  },
  {
    what: 'seeing the namespace of what may be seen',
    roles: web,
    asks: 'get namespaces/dev',
    answer: 'yes',
    command: 'get namespace dev',
  },
];
