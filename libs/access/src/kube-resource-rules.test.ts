import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { access, groupRole, rule } from './testing.ts';

type Rules = readonly Record<string, unknown>[];

const podsIn = (namespace: string, part: Record<string, unknown> = {}) =>
  rule({ kind: 'pods', api_group: '', namespace, ...part });

function isAllowed(allow: Rules, request: string, deny: Rules = []): boolean {
  const role = groupRole('r', 'v8', { kubernetes_resources: allow }, { kubernetes_resources: deny });
  return decideKubeAccess(access([role], request)).allowed;
}

describe('the verb of a rule', () => {
  test.each([
    ['* allows any', ['*'], 'delete pods dev/x', true],
    ['get allows get', ['get'], 'get pods dev/x', true],
    ['get does not allow list', ['get'], 'list pods dev/', false],
    ['list does not allow watch', ['list'], 'watch pods dev/', false],
    ['list does not allow get', ['list'], 'get pods dev/x', false],
    ['delete does not allow deletecollection', ['delete'], 'deletecollection pods dev/', false],
    ['deletecollection does not allow delete', ['deletecollection'], 'delete pods dev/x', false],
    ['update does not allow patch', ['update'], 'patch pods dev/x', false],
    ['the second of two counts', ['get', 'list'], 'list pods dev/', true],
    ['none allows nothing', [], 'get pods dev/x', false],
    ['get allows logs', ['get'], 'get pods/log dev/x', true],
    ['get does not allow exec by WebSocket', ['get'], 'get pods/exec dev/x', false],
    ['create does not allow exec by SPDY', ['create'], 'create pods/exec dev/x', false],
    ['exec allows exec by WebSocket', ['exec'], 'get pods/exec dev/x', true],
    ['exec allows exec by SPDY', ['exec'], 'create pods/exec dev/x', true],
    ['exec allows attach', ['exec'], 'create pods/attach dev/x', true],
    ['exec does not allow get', ['exec'], 'get pods dev/x', false],
    ['exec does not allow port-forward', ['exec'], 'create pods/portforward dev/x', false],
    ['portforward allows port-forward', ['portforward'], 'create pods/portforward dev/x', true],
    ['patch does not allow ephemeral containers', ['patch'], 'patch pods/ephemeralcontainers dev/x', false],
    ['exec allows ephemeral containers', ['exec'], 'patch pods/ephemeralcontainers dev/x', true],
    ['create does not allow eviction', ['create'], 'create pods/eviction dev/x', false],
    ['delete allows eviction', ['delete'], 'create pods/eviction dev/x', true],
    ['get does not allow the pod proxy', ['get'], 'get pods/proxy dev/x', false],
    [
      'every verb by name does not allow the pod proxy',
      ['get', 'create', 'exec', 'portforward'],
      'get pods/proxy dev/x',
      false,
    ],
    ['* allows the pod proxy', ['*'], 'get pods/proxy dev/x', true],
  ])('%s', (_, verbs, request, expected) => {
    expect(isAllowed([podsIn('dev', { verbs })], request)).toBe(expected);
  });

  test.each([
    ['of nodes, get does not allow the proxy', 'nodes', ['get'], 'get nodes/proxy n1', false],
    ['of nodes, create does not allow the proxy', 'nodes', ['get', 'create'], 'create nodes/proxy n1', false],
    ['of nodes, * allows the proxy', 'nodes', ['*'], 'get nodes/proxy n1', true],
    ['of every kind, * allows the proxy of nodes', '*', ['*'], 'get nodes/proxy n1', true],
    ['of every kind, get does not allow the proxy of nodes', '*', ['get'], 'get nodes/proxy n1', false],
    [
      'of services, create does not allow the proxy',
      'services',
      ['create'],
      'create services/proxy dev/s',
      false,
    ],
    ['of services, * allows the proxy', 'services', ['*'], 'get services/proxy dev/s', true],
    ['of pods, * does not allow the proxy of services', 'pods', ['*'], 'get services/proxy dev/s', false],
    [
      'of service accounts, create does not allow tokens',
      'serviceaccounts',
      ['create'],
      'create serviceaccounts/token dev/s',
      false,
    ],
    [
      'of service accounts, * allows tokens',
      'serviceaccounts',
      ['*'],
      'create serviceaccounts/token dev/s',
      true,
    ],
  ])('%s', (_, ...[kind, verbs, request, expected]) => {
    expect(isAllowed([rule({ kind, verbs, api_group: kind === '*' ? '*' : '' })], request)).toBe(expected);
  });
});

describe('the kind of a rule', () => {
  test.each([
    ['is equal', 'pods', '', 'get pods dev/x', true],
    ['is another', 'pods', '', 'get secrets dev/x', false],
    ['is *', '*', '*', 'get secrets dev/x', true],
    ['is no glob', 'pod*', 'example.com', 'get pods.example.com dev/x', false],
    ['is no regular expression', '^pods$', 'example.com', 'get pods.example.com dev/x', false],
    ['distinguishes case', 'pods', '', 'get Pods dev/x', false],
    ['is unknown to Kubernetes but named', 'widgets', 'example.com', 'get widgets.example.com dev/x', true],
    ['is another for an unknown kind', 'pods', '', 'get widgets.example.com dev/x', false],
    ['* covers an unknown kind', '*', '*', 'get widgets.example.com dev/x', true],
    ['* of one group does not cover another group', '*', 'apps', 'get widgets.example.com dev/x', false],
  ])('%s', (_, ...[kind, apiGroup, request, expected]) => {
    expect(isAllowed([rule({ kind, api_group: apiGroup })], request)).toBe(expected);
  });
});

describe('the API group of a rule', () => {
  test.each([
    ['is equal', 'apps', 'get deployments.apps dev/x', true],
    ['is another', 'apps', 'get deployments.extensions dev/x', false],
    ['is a glob', '*.example.com', 'get deployments.a.example.com dev/x', true],
    ['as a glob is anchored', '*.example.com', 'get deployments.example.com dev/x', false],
    ['is a regular expression', '^(apps|extensions)$', 'get deployments.extensions dev/x', true],
    ['is *', '*', 'get deployments.extensions dev/x', true],
  ])('%s', (_, apiGroup, request, expected) => {
    expect(isAllowed([rule({ kind: 'deployments', api_group: apiGroup })], request)).toBe(expected);
  });

  test('that is empty is the core group and no other', () => {
    expect(isAllowed([podsIn('*')], 'get pods.metrics.k8s.io dev/x')).toBe(false);
  });
});

describe('the name of a rule', () => {
  test.each([
    ['is equal', 'web-1', 'web-1', true],
    ['is a prefix of the object', 'web-1', 'web-10', false],
    ['is a glob', 'web-*', 'web-1', true],
    ['as a glob may end in nothing', 'web-*', 'web-', true],
    ['as a glob keeps its hyphen', 'web-*', 'web', false],
    ['as a glob is anchored', 'web-*', 'my-web-1', false],
    ['is a regular expression', '^web-[0-9]$', 'web-1', true],
    ['as a regular expression matches the whole name', '^web-[0-9]$', 'web-10', false],
    ['has ? as itself', 'web-?', 'web-1', false],
    ['is **', '**', 'web-1', true],
    ['distinguishes case', 'Web-1', 'web-1', false],
  ])('%s', (_, name, object, expected) => {
    expect(isAllowed([podsIn('dev', { name })], `get pods dev/${object}`)).toBe(expected);
  });

  test('that is limited does not allow a create whose name is not known', () => {
    expect(isAllowed([podsIn('dev', { name: 'web-*' })], 'create pods dev/')).toBe(false);
    expect(isAllowed([podsIn('dev')], 'create pods dev/')).toBe(true);
    expect(isAllowed([podsIn('dev', { name: 'web-*' })], 'create pods dev/web-1')).toBe(true);
  });
});

describe('the namespace of a rule', () => {
  test.each([
    ['is equal', 'dev', 'get pods dev/x', true],
    ['is another', 'dev', 'get pods prod/x', false],
    ['is the beginning of another', 'dev', 'get pods dev-evil/x', false],
    ['is a glob', 'dev*', 'get pods dev-evil/x', true],
    ['is a regular expression', '^(dev|test)$', 'get pods test/x', true],
    ['as a regular expression matches whole', '^(dev|test)$', 'get pods testing/x', false],
    ['is *', '*', 'get pods prod/x', true],
  ])('%s', (_, namespace, request, expected) => {
    expect(isAllowed([podsIn(namespace)], request)).toBe(expected);
  });

  test.each([
    ['* reaches an object of the whole cluster', '*', true],
    ['that is absent reaches it', '', true],
    ['that is named does not', 'dev', false],
    ['** is not *', '**', false],
    ['a regular expression does not, though it matches nothing', '^.*$', false],
  ])('%s', (_, namespace, expected) => {
    expect(
      isAllowed(
        [rule({ kind: 'clusterthings', api_group: 'example.com', namespace })],
        'get clusterthings.example.com x',
      ),
    ).toBe(expected);
    expect(isAllowed([rule({ namespace })], 'get nodes n1')).toBe(expected);
  });

  test('that is absent reaches nothing in a namespace', () => {
    expect(
      isAllowed(
        [rule({ kind: 'things', api_group: 'example.com', namespace: '' })],
        'get things.example.com dev/x',
      ),
    ).toBe(false);
  });

  test('in a request for a known cluster-wide kind does not count', () => {
    expect(isAllowed([rule({ kind: 'nodes', api_group: '', namespace: '' })], 'get nodes dev/n1')).toBe(true);
    expect(isAllowed([rule({ namespace: 'dev' })], 'get nodes dev/n1')).toBe(false);
  });
});

describe('a namespace itself', () => {
  const readPods = podsIn('dev', { verbs: ['get', 'list', 'watch'] });

  test.each<[string, Rules, string, boolean]>([
    ['is seen by who has pods in it', [readPods], 'get namespaces dev', true],
    ['is not seen by who has pods in another', [readPods], 'get namespaces prod', false],
    ['is seen through a glob', [podsIn('dev-*', { verbs: ['get'] })], 'get namespaces dev-1', true],
    [
      'is seen by who has pods in every namespace',
      [podsIn('*', { verbs: ['get'] })],
      'get namespaces prod',
      true,
    ],
    [
      'is not seen by who may only exec in it',
      [podsIn('dev', { verbs: ['exec'] })],
      'get namespaces dev',
      false,
    ],
    [
      'is seen by its name',
      [rule({ kind: 'namespaces', api_group: '', namespace: '', name: 'dev', verbs: ['get'] })],
      'get namespaces dev',
      true,
    ],
    [
      'is not seen by the name of another',
      [rule({ kind: 'namespaces', api_group: '', namespace: '', name: 'dev' })],
      'get namespaces prod',
      false,
    ],
    [
      'is not seen by a rule for namespaces of one name and every scope',
      [rule({ kind: 'namespaces', api_group: '', name: 'dev' })],
      'get namespaces prod',
      false,
    ],
    ['is not seen by who has nodes', [rule({ kind: 'nodes', api_group: '' })], 'get namespaces dev', false],
    ['is seen although the path names it as its namespace', [readPods], 'get namespaces dev/dev', true],
    ['is listed by who has pods in some', [readPods], 'list namespaces', true],
    ['is watched by who has pods in some', [readPods], 'watch namespaces', true],
    ['is not listed without list', [podsIn('dev', { verbs: ['get'] })], 'list namespaces', false],
    ['is not deleted by who may delete pods in it', [podsIn('dev')], 'delete namespaces dev', false],
    ['is deleted by who has every kind in it', [rule({ namespace: 'dev' })], 'delete namespaces dev', true],
    [
      'is not deleted by who has every kind in another',
      [rule({ namespace: 'dev' })],
      'delete namespaces prod',
      false,
    ],
    [
      'is not deleted by who has every kind of one name in it',
      [rule({ namespace: 'dev', name: 'web-1' })],
      'delete namespaces dev',
      false,
    ],
    [
      'is deleted by its name',
      [rule({ kind: 'namespaces', api_group: '', namespace: '', name: 'dev' })],
      'delete namespaces dev',
      true,
    ],
    [
      'is not deleted by another name',
      [rule({ kind: 'namespaces', api_group: '', namespace: '', name: 'dev' })],
      'delete namespaces prod',
      false,
    ],
    [
      'is not deleted by a rule for namespaces within another namespace',
      [rule({ kind: 'namespaces', api_group: '', namespace: 'dev' })],
      'delete namespaces prod',
      false,
    ],
    ['is deleted by who has every kind everywhere', [rule()], 'delete namespaces dev', true],
    [
      'is deleted by name through a rule for every kind',
      [rule({ name: 'dev' })],
      'delete namespaces dev',
      true,
    ],
    [
      'is not deleted by another name through a rule for every kind',
      [rule({ name: 'web-1' })],
      'delete namespaces dev',
      false,
    ],
    ['of another API group is another thing', [readPods], 'get namespaces.example.com dev', false],
  ])('%s', (_, rules, request, expected) => {
    expect(isAllowed(rules, request)).toBe(expected);
  });

  test.each<[string, Rules, string, boolean]>([
    ['is seen although pods in it are denied', [podsIn('dev')], 'get namespaces dev', true],
    ['is listed although pods are denied everywhere', [podsIn('*')], 'list namespaces', true],
    [
      'is not seen when everything in it is denied',
      [rule({ namespace: 'dev' })],
      'get namespaces dev',
      false,
    ],
    [
      'is seen when everything in another is denied',
      [rule({ namespace: 'dev' })],
      'get namespaces prod',
      true,
    ],
    [
      'is not seen when it is denied by name',
      [rule({ kind: 'namespaces', api_group: '', namespace: '', name: 'dev' })],
      'get namespaces dev',
      false,
    ],
    [
      'is not listed when all are denied',
      [rule({ kind: 'namespaces', api_group: '', namespace: '' })],
      'list namespaces',
      false,
    ],
    [
      'is not deleted when every kind of one name in it is denied',
      [rule({ namespace: 'dev', name: 'web-1' })],
      'delete namespaces dev',
      false,
    ],
  ])('with a denial %s', (_, deny, request, expected) => {
    expect(isAllowed([rule()], request, deny)).toBe(expected);
  });
});

describe('a denial', () => {
  test.each<[string, Rules, string, boolean]>([
    ['refuses its object', [podsIn('dev', { name: 'web-1' })], 'get pods dev/web-1', false],
    ['leaves another object', [podsIn('dev', { name: 'web-1' })], 'get pods dev/web-2', true],
    ['leaves another namespace', [podsIn('dev')], 'get pods prod/web-1', true],
    ['leaves another kind', [podsIn('dev')], 'get secrets dev/x', true],
    ['leaves another group', [podsIn('dev')], 'get pods.metrics.k8s.io dev/x', true],
    ['leaves another verb', [podsIn('dev', { verbs: ['delete'] })], 'get pods dev/x', true],
    ['without verbs refuses nothing', [podsIn('dev', { verbs: [] })], 'get pods dev/x', true],
    ['of exec refuses exec by WebSocket', [podsIn('*', { verbs: ['exec'] })], 'get pods/exec dev/x', false],
    ['of exec refuses attach', [podsIn('*', { verbs: ['exec'] })], 'create pods/attach dev/x', false],
    [
      'of exec refuses ephemeral containers',
      [podsIn('*', { verbs: ['exec'] })],
      'patch pods/ephemeralcontainers dev/x',
      false,
    ],
    [
      'of patch refuses ephemeral containers',
      [podsIn('*', { verbs: ['patch'] })],
      'patch pods/ephemeralcontainers dev/x',
      false,
    ],
    ['of get refuses logs', [podsIn('*', { verbs: ['get'] })], 'get pods/log dev/x', false],
    ['of get refuses the proxy', [podsIn('*', { verbs: ['get'] })], 'get pods/proxy dev/x', false],
    [
      'of port-forward refuses the proxy',
      [podsIn('*', { verbs: ['portforward'] })],
      'get pods/proxy dev/x',
      false,
    ],
    ['of delete refuses eviction', [podsIn('*', { verbs: ['delete'] })], 'create pods/eviction dev/x', false],
    ['of create refuses eviction', [podsIn('*', { verbs: ['create'] })], 'create pods/eviction dev/x', false],
    ['of a whole list refuses it', [podsIn('dev')], 'list pods dev/', false],
    ['of every namespace refuses the list of one', [podsIn('*')], 'list pods dev/', false],
    ['of every namespace refuses the list of all', [podsIn('*')], 'list pods', false],
    ['of one namespace leaves the list of all', [podsIn('dev')], 'list pods', true],
    ['of some names leaves the list', [podsIn('dev', { name: 'web-*' })], 'list pods dev/', true],
    [
      'of some names refuses the list of such a name',
      [podsIn('dev', { name: 'web-*' })],
      'list pods dev/web-1',
      false,
    ],
    [
      'of every kind refuses every kind',
      [rule({ namespace: 'dev' })],
      'list widgets.example.com dev/',
      false,
    ],
  ])('%s', (_, deny, request, expected) => {
    expect(isAllowed([rule()], request, deny)).toBe(expected);
  });
});

describe('a list', () => {
  test.each<[string, Rules, string, boolean]>([
    [
      'of a namespace is allowed to who may see some of it',
      [podsIn('dev', { name: 'web-*' })],
      'list pods dev/',
      true,
    ],
    ['of another namespace is refused', [podsIn('dev')], 'list pods prod/', false],
    ['of all namespaces is allowed to who may see some of it', [podsIn('dev')], 'list pods', true],
    ['of another kind is refused', [podsIn('dev')], 'list secrets', false],
    [
      'of cluster-wide objects is refused to who has a namespace',
      [rule({ namespace: 'dev' })],
      'list nodes',
      false,
    ],
    ['of an unknown kind is refused', [podsIn('*')], 'list widgets.example.com', false],
    ['of an unknown kind is allowed by *', [rule()], 'list widgets.example.com', true],
    [
      'of one name is allowed to who may see it',
      [podsIn('dev', { name: 'web-1' })],
      'list pods dev/web-1',
      true,
    ],
    ['of another name is refused', [podsIn('dev', { name: 'web-1' })], 'list pods dev/web-2', false],
    [
      'of one name in all namespaces is allowed to who may see some',
      [podsIn('dev', { name: 'web-1' })],
      'watch pods /web-1',
      true,
    ],
    [
      'of another name in all namespaces is refused',
      [podsIn('dev', { name: 'web-1' })],
      'watch pods /web-2',
      false,
    ],
    [
      'of pods is refused to who has a rule for nothing in particular',
      [rule({ namespace: '' })],
      'list pods',
      false,
    ],
  ])('%s', (_, rules, request, expected) => {
    expect(isAllowed(rules, request)).toBe(expected);
  });
});
