import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { type ReviewedResource, reviewSelfSubjectAccess } from './reviews.ts';
import { alice, attributes, cluster, groupRole, parseRequest, rule } from './testing.ts';

const pods = (namespace: string, name = '*', verbs = ['*']) =>
  rule({ kind: 'pods', api_group: '', namespace, name, verbs });
type Rules = readonly Record<string, unknown>[];

function review(text: string, allow: Rules, deny: Rules = []) {
  const { verb, apiGroup: group, resource, subresource, namespace, name } = parseRequest(text);
  const asked: ReviewedResource = { verb, group, resource, subresource, namespace, name };
  const only = groupRole('r', 'v8', { kubernetes_resources: allow }, { kubernetes_resources: deny });
  return reviewSelfSubjectAccess({ user: alice, roles: [only], cluster }, { resource: asked });
}

describe('a review of access', () => {
  test.each<[string, string, Rules, Rules, boolean]>([
    ['is allowed by name', 'get pods dev/web-1', [pods('dev', 'web-1')], [], true],
    ['is refused by another name', 'get pods dev/web-2', [pods('dev', 'web-1')], [], false],
    ['is allowed by namespace', 'get pods dev/', [pods('dev')], [], true],
    ['is refused by another namespace', 'get pods prod/', [pods('dev')], [], false],
    ['is allowed by *', 'delete secrets prod/', [rule()], [], true],
    ['without a name is about some name', 'get pods dev/', [pods('dev', 'web-*')], [], true],
    [
      'without a name is about some name to create, too',
      'create pods dev/',
      [pods('dev', 'web-*')],
      [],
      true,
    ],
    [
      'without name and namespace needs a rule for every namespace',
      'get pods',
      [pods('*', 'web-*')],
      [],
      true,
    ],
    ['without name and namespace is refused by a rule for one', 'get pods', [pods('dev')], [], false],
    ['of a list of all namespaces is allowed as the list is, filtered', 'list pods', [pods('dev')], [], true],
    ['is refused for a missing kind', 'get secrets dev/', [pods('dev')], [], false],
    ['is refused for a missing verb', 'delete pods dev/', [pods('dev', '*', ['get'])], [], false],
    ['is refused by a denial', 'get pods dev/', [rule()], [pods('dev')], false],
    ['is allowed beside a denial of some names', 'get pods dev/', [rule()], [pods('dev', 'web-*')], true],
    ['is refused for a denied name', 'get pods dev/web-1', [rule()], [pods('dev', 'web-*')], false],
    ['of an unknown kind is refused', 'get widgets.example.com dev/', [pods('dev')], [], false],
    ['of an unknown kind is allowed by *', 'get widgets.example.com dev/', [rule()], [], true],
    ['of exec needs exec', 'create pods/exec dev/', [pods('dev', '*', ['get', 'create'])], [], false],
    ['of exec is allowed by exec', 'create pods/exec dev/', [pods('dev', '*', ['exec'])], [], true],
    ['of the proxy of nodes is refused', 'get nodes/proxy', [rule({ verbs: ['get'] })], [], false],
    [
      'of nodes with a namespace is about nodes',
      'get nodes dev/',
      [rule({ kind: 'nodes', api_group: '', namespace: '' })],
      [],
      true,
    ],
    ['of namespaces is allowed by what is in one', 'get namespaces dev', [pods('dev')], [], true],
    ['of everything is allowed to who may do everything', '* *.* dev/', [rule()], [], true],
    [
      'of everything is refused to who may read everything',
      '* *.* dev/',
      [rule({ verbs: ['get'] })],
      [],
      false,
    ],
    [
      'of everything is refused when anything is denied',
      '* *.* dev/',
      [rule()],
      [pods('*', '*', ['delete'])],
      false,
    ],
  ])('%s', (_, ...[request, allow, deny, expected]) => {
    expect(review(request, allow, deny).allowed).toBe(expected);
  });

  test('that is refused says why, with a rule that would help', () => {
    const answer = review('get pods prod/web-1', [pods('dev')]);
    expect(answer).toMatchObject({ allowed: false, denied: true, decision: { missing: 'resource' } });
    expect(answer.allowed ? '' : answer.reason).toBe(
      'access to pods prod/web-1 denied by Teleport: please ensure that "kubernetes_resources" field in your Teleport role' +
        ' defines access to the desired resource.\n\nExample for a role of version v8:\nkubernetes_resources:\n- kind: "pods"\n' +
        '  api_group: ""\n  namespace: "prod"\n  name: "web-1"\n  verbs: ["get"]',
    );
  });

  test.each([
    ['/version', true],
    ['/metrics', false],
  ])('of the path %s is allowed: %s', (path, expected) => {
    const roles = [groupRole('r', 'v8', { kubernetes_resources: [pods('dev')] })];
    expect(
      reviewSelfSubjectAccess({ user: alice, roles, cluster }, { path: { path, verb: 'get' } }).allowed,
    ).toBe(expected);
  });

  test('of a cluster that no role selects is refused', () => {
    const roles = [groupRole('r', 'v8', { kubernetes_labels: { env: 'prod' } })];
    const answer = reviewSelfSubjectAccess(
      { user: alice, roles, cluster },
      { resource: { verb: 'get', resource: 'pods' } },
    );
    expect(answer).toMatchObject({ allowed: false, decision: { missing: 'labels' } });
  });

  test('answers as the request itself is decided', () => {
    const roles = [
      groupRole(
        'r',
        'v8',
        { kubernetes_resources: [pods('dev', 'web-*', ['get', 'list', 'exec'])] },
        { kubernetes_resources: [pods('dev', 'web-2')] },
      ),
    ];
    for (const verb of ['get', 'list', 'watch', 'delete', 'create']) {
      for (const name of ['web-1', 'web-2', 'db']) {
        const decision = decideKubeAccess({
          user: alice,
          roles,
          cluster,
          request: attributes({ verb, name }),
        });
        const resource = { verb, resource: 'pods', namespace: 'dev', name };
        expect(reviewSelfSubjectAccess({ user: alice, roles, cluster }, { resource }).allowed).toBe(
          decision.allowed,
        );
      }
    }
  });
});

const someRule = fc
  .record({
    kind: fc.constantFrom('pods', 'namespaces', '*'),
    namespace: fc.constantFrom('*', 'dev', 'd*', 'prod'),
    name: fc.constantFrom('*', 'web-*', 'web-1', 'dev'),
    verbs: fc.constantFrom(['*'], ['get', 'list'], ['get', 'exec', 'delete', 'create'], []),
  })
  .map((part) => rule({ ...part, api_group: part.kind === '*' ? '*' : '' }));

const someRoles = fc.array(
  fc.record({
    labels: fc.constantFrom({ '*': '*' }, { env: 'dev' }, { env: 'prod' }),
    groups: fc.subarray(['g1', 'g2', 'g3']),
    allow: fc.array(someRule, { maxLength: 2 }),
    deny: fc.array(someRule, { maxLength: 1 }),
  }),
  { maxLength: 3 },
);

const someQuestion = fc.record({
  verb: fc.constantFrom('get', 'list', 'watch', 'delete', 'create', 'deletecollection'),
  resource: fc.constantFrom('pods', 'namespaces', 'secrets', 'nodes'),
  subresource: fc.constantFrom('', '', 'exec', 'log', 'proxy'),
  namespace: fc.constantFrom('dev', 'prod'),
  name: fc.constantFrom('web-1', 'web-2', 'dev'),
});

test('what may be done is what is said to be allowed, as the same user and groups (A-16)', () => {
  let allowed = 0;
  fc.assert(
    fc.property(someRoles, someQuestion, fc.constantFrom(undefined, ['g1']), (written, resource, groups) => {
      const roles = written.map(({ labels, groups: given, allow, deny }, index) =>
        groupRole(
          `r${index}`,
          'v8',
          { kubernetes_labels: labels, kubernetes_groups: given, kubernetes_resources: allow },
          { kubernetes_resources: deny },
        ),
      );
      const impersonate = groups ? { user: ['alice'], groups } : {};
      const access = { user: alice, roles, cluster, impersonate };
      const done = decideKubeAccess({ ...access, request: attributes(resource) });
      const said = reviewSelfSubjectAccess(access, { resource });
      expect(said.allowed).toBe(done.allowed);
      if (!said.allowed || !done.allowed) return;
      allowed += 1;
      expect([said.kubeUser, said.kubeGroups]).toEqual([done.kubeUser, done.kubeGroups]);
    }),
    { numRuns: 5000, seed: 16 },
  );
  expect(allowed).toBeGreaterThan(300);
});
