import type { Role } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess, kubePrincipals, mayReachCluster } from './decide-access.ts';
import { access, alice, attributes, cluster, groupRole, parseRequest, role, rule } from './testing.ts';
import type { ImpersonationRequest, KubeDeny } from './types.ts';

const podsInDev = rule({ kind: 'pods', api_group: '', namespace: 'dev', verbs: ['get', 'list'] });

function deny(...args: Parameters<typeof access>): KubeDeny {
  const decision = decideKubeAccess(access(...args));
  if (decision.allowed) throw new Error('the request was allowed');
  return decision;
}

function allow(...args: Parameters<typeof access>) {
  const decision = decideKubeAccess(access(...args));
  if (!decision.allowed) throw new Error(decision.message);
  return decision;
}

describe('the labels of a role', () => {
  const spec = { kubernetes_groups: ['g'] };
  const onExpression = (expression: string) =>
    role('r', 'v8', { allow: { ...spec, kubernetes_labels_expression: expression } });

  test.each([
    ['that match let in', { kubernetes_labels: { env: 'dev' } }, true],
    ['that do not match keep out', { kubernetes_labels: { env: 'prod' } }, false],
    ['that are absent keep out', {}, false],
    [
      'and an expression that both match let in',
      { kubernetes_labels: { env: 'dev' }, kubernetes_labels_expression: 'labels.env == "dev"' },
      true,
    ],
    [
      'that do not match keep out although the expression does',
      { kubernetes_labels: { env: 'prod' }, kubernetes_labels_expression: 'labels.env == "dev"' },
      false,
    ],
    [
      'that match keep out when the expression does not',
      { kubernetes_labels: { env: 'dev' }, kubernetes_labels_expression: 'labels.env == "prod"' },
      false,
    ],
  ])('%s', (_, labels, expected) => {
    const roles = [role('r', 'v8', { allow: { ...spec, ...labels } })];
    expect(decideKubeAccess(access(roles, 'get pods dev/x')).allowed).toBe(expected);
    expect(mayReachCluster({ user: alice, roles, cluster })).toBe(expected);
  });

  test('may be an expression over traits', () => {
    const roles = [onExpression('contains(user.spec.traits["envs"], labels["env"])')];
    const user = { name: 'alice', traits: { envs: ['dev'] } };
    expect(decideKubeAccess(access(roles, 'get pods dev/x', { user })).allowed).toBe(true);
    expect(decideKubeAccess(access(roles, 'get pods dev/x')).allowed).toBe(false);
  });

  test('whose trait is missing keep out and do not let everybody in', () => {
    const labels = { env: '{{external.env}}', '*': '*' };
    const roles = [role('r', 'v8', { allow: { ...spec, kubernetes_labels: labels } })];
    expect(decideKubeAccess(access(roles, 'get pods dev/x')).allowed).toBe(false);
  });

  test('take the star of a trait as a star', () => {
    const roles = [role('r', 'v8', { allow: { ...spec, kubernetes_labels: { env: '{{external.env}}' } } })];
    const user = { name: 'alice', traits: { env: ['*'] } };
    expect(decideKubeAccess(access(roles, 'get pods dev/x', { user })).allowed).toBe(false);
  });

  test.each([
    ['labels match', { kubernetes_labels: { env: 'dev' } }],
    ['the wildcard stands beside other labels', { kubernetes_labels: { '*': '*', env: 'prod' } }],
    [
      'only the expression matches',
      { kubernetes_labels: { env: 'prod' }, kubernetes_labels_expression: 'labels.env == "dev"' },
    ],
    [
      'only the labels match',
      { kubernetes_labels: { env: 'dev' }, kubernetes_labels_expression: 'labels.env == "prod"' },
    ],
  ])('on the deny side refuse the cluster when %s', (_, denied) => {
    const roles = [groupRole('a', 'v8', {}), role('b', 'v8', { deny: denied })];
    expect(deny(roles, 'get pods dev/x')).toMatchObject({
      code: 'access.cluster_denied',
      status: 403,
      missing: 'labels',
    });
    expect(mayReachCluster({ user: alice, roles, cluster })).toBe(false);
  });

  test('on the deny side leave a cluster that neither matches', () => {
    const denied = {
      kubernetes_labels: { env: 'prod' },
      kubernetes_labels_expression: 'labels.env == "test"',
    };
    const roles = [groupRole('a', 'v8', {}), role('b', 'v8', { deny: denied })];
    expect(decideKubeAccess(access(roles, 'get pods dev/x')).allowed).toBe(true);
  });

  test('that no role matches are named in the refusal, with the roles considered (A-05)', () => {
    const roles = [
      groupRole('b', 'v8', { kubernetes_labels: { env: 'prod' } }),
      groupRole('a', 'v8', { kubernetes_labels: { x: 'y' } }),
    ];
    expect(deny(roles, 'get pods dev/x')).toMatchObject({
      code: 'access.labels_do_not_match',
      status: 403,
      reason: 'Forbidden',
      missing: 'labels',
      rolesConsidered: ['a', 'b'],
    });
  });

  test('of no role at all keep out', () => {
    expect(deny([], 'get pods dev/x')).toMatchObject({ missing: 'labels', rolesConsidered: [] });
  });
});

describe('users and groups', () => {
  test('are those of all roles that select the cluster', () => {
    const roles = [
      groupRole('a', 'v8', { kubernetes_groups: ['g1'] }),
      groupRole('b', 'v8', { kubernetes_groups: ['g2'], kubernetes_users: ['u1'] }),
      groupRole('c', 'v8', { kubernetes_groups: ['g3'], kubernetes_labels: { env: 'prod' } }),
    ];
    expect(allow(roles, 'get pods dev/x')).toMatchObject({
      kubeUser: 'u1',
      kubeGroups: ['g1', 'g2', 'system:authenticated'],
      roles: ['a', 'b'],
    });
  });

  test('are only those of roles whose rules match the resource', () => {
    const roles = [
      groupRole('admin-of-secrets', 'v8', {
        kubernetes_groups: ['system:masters'],
        kubernetes_resources: [rule({ kind: 'secrets', api_group: '' })],
      }),
      groupRole('viewer-of-pods', 'v8', {
        kubernetes_groups: ['viewers'],
        kubernetes_resources: [podsInDev],
      }),
    ];
    expect(allow(roles, 'get pods dev/x')).toMatchObject({
      kubeGroups: ['viewers', 'system:authenticated'],
      roles: ['viewer-of-pods'],
    });
    expect(allow(roles, 'list pods dev/').kubeGroups).toEqual(['viewers', 'system:authenticated']);
    expect(allow(roles, 'get secrets dev/x').kubeGroups).toEqual(['system:masters', 'system:authenticated']);
  });

  test('lose what a deny side names', () => {
    const roles = [
      groupRole('a', 'v8', { kubernetes_groups: ['g1', 'g2'], kubernetes_users: ['u1', 'u2'] }),
      role('b', 'v8', { deny: { kubernetes_groups: ['g2'], kubernetes_users: ['u2'] } }),
    ];
    expect(allow(roles, 'get pods dev/x')).toMatchObject({
      kubeUser: 'u1',
      kubeGroups: ['g1', 'system:authenticated'],
    });
  });

  test('lose what a deny side names by a pattern', () => {
    const roles = [
      groupRole('a', 'v8', { kubernetes_groups: ['system:masters', 'g'] }),
      role('b', 'v8', { deny: { kubernetes_groups: ['system:*'] } }),
    ];
    expect(allow(roles, 'get pods dev/x').kubeGroups).toEqual(['g', 'system:authenticated']);
  });

  test('keep what a deny side names for other clusters', () => {
    const denied = { kubernetes_labels: { env: 'prod' }, kubernetes_groups: ['g1'] };
    const roles = [groupRole('a', 'v8', { kubernetes_groups: ['g1'] }), role('b', 'v8', { deny: denied })];
    expect(allow(roles, 'get pods dev/x').kubeGroups).toEqual(['g1', 'system:authenticated']);
  });

  test.each([
    ['no role names any', groupRole('a', 'v8', { kubernetes_groups: [] }), {}],
    [
      'all of them are denied',
      groupRole('a', 'v8', { kubernetes_groups: ['g'] }, { kubernetes_groups: ['g'] }),
      {},
    ],
    ['their trait is missing', groupRole('a', 'v8', { kubernetes_groups: ['{{external.groups}}'] }), {}],
    [
      'their trait says system:masters',
      groupRole('a', 'v8', { kubernetes_groups: ['{{external.groups}}'] }),
      { groups: ['system:masters'] },
    ],
  ])('are missing when %s', (_, only, traits) => {
    expect(deny([only], 'get pods dev/x', { user: { name: 'alice', traits } })).toMatchObject({
      code: 'access.no_principals',
      status: 404,
      reason: 'NotFound',
      missing: 'groups',
      message: expect.stringMatching(/^Your user's Teleport role does not allow Kubernetes access\./),
    });
  });

  test('are missing when the role that allows the resource names none (A-04)', () => {
    const roles = [
      groupRole('a', 'v8', {
        kubernetes_groups: ['g'],
        kubernetes_resources: [rule({ kind: 'secrets', api_group: '' })],
      }),
      groupRole('b', 'v8', { kubernetes_groups: [], kubernetes_resources: [podsInDev] }),
    ];
    expect(deny(roles, 'get pods dev/x').code).toBe('access.no_principals');
  });

  test('with only groups run as the user itself', () => {
    expect(allow([groupRole('a', 'v8', {})], 'get pods dev/x').kubeUser).toBe('alice');
  });

  test('with only users are enough', () => {
    const only = groupRole('a', 'v8', { kubernetes_groups: [], kubernetes_users: ['bot'] });
    expect(allow([only], 'get pods dev/x')).toMatchObject({
      kubeUser: 'bot',
      kubeGroups: ['system:authenticated'],
    });
  });

  test('may be system:masters when the role spells it out', () => {
    const roles = [groupRole('a', 'v8', { kubernetes_groups: ['system:masters'] })];
    expect(allow(roles, 'get pods dev/x').kubeGroups).toEqual(['system:masters', 'system:authenticated']);
  });

  test('name system:authenticated once', () => {
    const roles = [groupRole('a', 'v8', { kubernetes_groups: ['system:authenticated', 'a'] })];
    expect(allow(roles, 'get pods dev/x').kubeGroups).toEqual(['a', 'system:authenticated']);
  });

  test('keep commas, blanks and other letters as they are (H-07, H-08)', () => {
    const roles = [groupRole('a', 'v8', { kubernetes_groups: ['a,b', 'c d', 'grün'] })];
    expect(allow(roles, 'get pods dev/x').kubeGroups).toEqual(['a,b', 'c d', 'grün', 'system:authenticated']);
  });

  test('are shown for all clusters together', () => {
    const roles = [
      groupRole('a', 'v8', { kubernetes_labels: { env: 'prod' }, kubernetes_groups: ['g1'] }),
      groupRole('b', 'v8', { kubernetes_users: ['u1'] }, { kubernetes_groups: ['viewers'] }),
    ];
    expect(kubePrincipals({ user: alice, roles })).toEqual({ users: ['u1'], groups: ['g1'] });
  });

  test('may be a reserved user when the role spells it out', () => {
    const roles = [groupRole('a', 'v8', { kubernetes_users: ['system:serviceaccount:dev:x'] })];
    expect(allow(roles, 'get pods dev/x').kubeUser).toBe('system:serviceaccount:dev:x');
  });

  test.each(['system:admin', 'system:kube-controller-manager', 'System:masters'])(
    'are not taken from the user name %s',
    (name) => {
      const user = { name, traits: {} };
      expect(deny([groupRole('a', 'v8', {})], 'get pods dev/x', { user }).code).toBe(
        'access.reserved_user_name',
      );
    },
  );
});

describe('impersonation', () => {
  const oneUser = groupRole('a', 'v8', { kubernetes_groups: ['g1', 'g2'], kubernetes_users: ['u1'] });
  const twoUsers = groupRole('b', 'v8', { kubernetes_groups: ['g1'], kubernetes_users: ['u1', 'u2'] });
  const onlyGroups = groupRole('c', 'v8', { kubernetes_groups: ['g1', 'g2'] });
  const run = (only: ReturnType<typeof role>, impersonate?: object) =>
    decideKubeAccess(access([only], 'get pods dev/x', impersonate ? { impersonate } : {}));

  test.each<[string, Role, ImpersonationRequest | undefined, string, string[]]>([
    [
      'of nobody gives the one user and all groups',
      oneUser,
      undefined,
      'u1',
      ['g1', 'g2', 'system:authenticated'],
    ],
    ['of a user and a group gives exactly those', oneUser, { user: ['u1'], groups: ['g2'] }, 'u1', ['g2']],
    ['of one of two users gives that one', twoUsers, { user: ['u2'] }, 'u2', ['g1', 'system:authenticated']],
    [
      'of an empty user and a group gives the default user',
      oneUser,
      { user: [''], groups: ['g1'] },
      'u1',
      ['g1'],
    ],
    ['of a group alone gives the default user', onlyGroups, { groups: ['g1'] }, 'alice', ['g1']],
    ['of oneself is allowed', onlyGroups, { user: ['alice'] }, 'alice', ['g1', 'g2', 'system:authenticated']],
    ['of a group twice gives it once', oneUser, { groups: ['g1', 'g1'] }, 'u1', ['g1']],
    [
      'of system:authenticated may be asked for',
      oneUser,
      { groups: ['system:authenticated'] },
      'u1',
      ['system:authenticated'],
    ],
    ['of no groups is as if not asked', oneUser, { groups: [] }, 'u1', ['g1', 'g2', 'system:authenticated']],
  ])('%s', (_, ...[only, asked, kubeUser, kubeGroups]) => {
    expect(run(only, asked)).toMatchObject({ allowed: true, kubeUser, kubeGroups });
  });

  const refused = 'impersonation request has been denied';
  test.each([
    ['of another user', oneUser, { user: ['u2'] }, `${refused}, user header "u2" is not allowed in roles`],
    [
      'of oneself when a role names other users',
      oneUser,
      { user: ['alice'] },
      `${refused}, user header "alice" is not allowed in roles`,
    ],
    [
      'of another group',
      oneUser,
      { user: ['u1'], groups: ['g1', 'system:masters'] },
      `${refused}, group header "system:masters" value is not allowed in roles`,
    ],
    [
      'of an empty group',
      oneUser,
      { groups: [''] },
      `${refused}, group header "" value is not allowed in roles`,
    ],
    ['of two users at once', twoUsers, { user: ['u1', 'u2'] }, `${refused}, invalid user header`],
    ['of the same user twice', oneUser, { user: ['u1', 'u1'] }, `${refused}, invalid user header`],
    [
      'of groups joined by a comma',
      oneUser,
      { groups: ['g1,g2'] },
      `${refused}, group header "g1,g2" value is not allowed in roles`,
    ],
    [
      'of a user in another letter case',
      oneUser,
      { user: ['U1'] },
      `${refused}, user header "U1" is not allowed in roles`,
    ],
    [
      'of nobody when there are two users',
      twoUsers,
      undefined,
      'refusing to select a user due to several kubernetes_users',
    ],
    [
      'of an empty user when there are two',
      twoUsers,
      { user: [''] },
      'refusing to select a user due to several kubernetes_users',
    ],
  ])('%s is refused', (_, only, asked, message) => {
    expect(run(only, asked)).toMatchObject({
      allowed: false,
      status: 403,
      missing: 'impersonation',
      message: expect.stringContaining(message),
    });
  });

  test.each(['system:masters', 'system:nodes', 'system:serviceaccounts', 'system:unauthenticated'])(
    'of the group %s is refused to who may do everything, unless a role spells it out (H-11)',
    (group) => {
      const admin = groupRole('admin', 'v8', { kubernetes_groups: ['admins'] });
      const asked = { impersonate: { user: ['alice'], groups: [group] } };
      expect(deny([admin], 'get pods dev/x', asked).code).toBe('access.impersonation_refused');
      const spelled = groupRole('spelled', 'v8', { kubernetes_groups: ['admins', group] });
      expect(decideKubeAccess(access([spelled], 'get pods dev/x', asked)).allowed).toBe(true);
    },
  );

  test.each(['system:admin', 'system:node:n1', 'system:serviceaccount:kube-system:default'])(
    'of the user %s is refused to who may do everything (H-11)',
    (user) => {
      const admin = groupRole('admin', 'v8', { kubernetes_groups: ['admins'] });
      const asked = { impersonate: { user: [user] } };
      expect(deny([admin], 'get pods dev/x', asked).code).toBe('access.impersonation_refused');
    },
  );

  test('only reaches groups of roles that allow the resource (H-10)', () => {
    const roles = [
      groupRole('a', 'v8', {
        kubernetes_groups: ['admins'],
        kubernetes_resources: [rule({ kind: 'secrets', api_group: '' })],
      }),
      groupRole('b', 'v8', { kubernetes_groups: ['viewers'], kubernetes_resources: [podsInDev] }),
    ];
    expect(deny(roles, 'get pods dev/x', { impersonate: { groups: ['admins'] } }).code).toBe(
      'access.impersonation_refused',
    );
  });
});

describe('a refusal', () => {
  const roles = [groupRole('dev', 'v8', { kubernetes_resources: [podsInDev] })];
  const firstLine = (request: string | ReturnType<typeof attributes>) =>
    deny(roles, request).message.split('\n')[0];

  test.each([
    [
      'get pods prod/x',
      'pods "x" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "prod"',
    ],
    [
      'list pods prod/',
      'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "prod"',
    ],
    [
      'list nodes',
      'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope',
    ],
    [
      'get nodes n1',
      'nodes "n1" is forbidden: User "alice" cannot get resource "nodes" in API group "" at the cluster scope',
    ],
    [
      'create deployments.apps dev/',
      'deployments.apps is forbidden: User "alice" cannot create resource "deployments" in API group "apps" in the namespace "dev"',
    ],
    [
      'create pods/exec dev/x',
      'pods "x" is forbidden: User "alice" cannot create resource "pods/exec" in API group "" in the namespace "dev"',
    ],
    [
      'get namespaces prod/prod',
      'namespaces "prod" is forbidden: User "alice" cannot get resource "namespaces" in API group "" in the namespace "prod"',
    ],
  ])('of %s begins as the API server would', (request, line) => {
    expect(firstLine(request)).toBe(line);
  });

  test('has three lines: what, whom to ask for what, how to check', () => {
    const [, ask, check, ...more] = deny(roles, 'get pods prod/x').message.split('\n');
    expect(ask).toBe(
      'Ask your Teleport admin to ensure that your Teleport role includes pods in namespace "prod" in "kubernetes_resources" (roles considered: dev)',
    );
    expect(check).toBe('Check by running: kubectl auth can-i get pods/x --namespace prod');
    expect(more).toEqual([]);
  });

  test.each([
    ['delete pods dev/x', 'verb', 'access.verb_not_allowed', 'add the verb "delete" for pods'],
    ['create pods/exec dev/x', 'verb', 'access.verb_not_allowed', 'add the verb "exec" for pods'],
    ['watch pods dev/', 'verb', 'access.verb_not_allowed', 'add the verb "watch" for pods'],
    ['delete pods prod/x', 'resource', 'access.resource_not_allowed', 'includes pods in namespace "prod"'],
    [
      'get deployments.apps dev/x',
      'resource',
      'access.resource_not_allowed',
      'includes deployments.apps in namespace "dev"',
    ],
  ])('of %s names the missing %s', (request, missing, code, text) => {
    expect(deny(roles, request)).toMatchObject({
      missing,
      code,
      status: 403,
      message: expect.stringContaining(text),
    });
  });

  test('by a denial says so', () => {
    const denied = groupRole('a', 'v8', {}, { kubernetes_resources: [podsInDev] });
    expect(deny([denied], 'get pods dev/x')).toMatchObject({
      code: 'access.resource_denied',
      missing: 'resource',
      message: expect.stringContaining(
        'A deny rule of "kubernetes_resources" in one of your Teleport roles forbids it',
      ),
    });
  });

  test('keeps a hostile name on one line', () => {
    const request = attributes({ namespace: 'prod', name: 'a\nb"c' });
    expect(firstLine(request)).toContain('pods "a\\nb\\"c" is forbidden');
  });
});

describe('a path that is no resource', () => {
  const narrow = [groupRole('a', 'v8', { kubernetes_resources: [podsInDev] })];
  const wide = [groupRole('a', 'v8', { kubernetes_resources: [rule()] })];
  const path = (path: string, verb = 'get') =>
    attributes({ isResourceRequest: false, verb, resource: '', namespace: '', path });

  test.each([
    '/api',
    '/api/v1',
    '/apis',
    '/apis/apps',
    '/apis/apps/v1',
    '/apis/',
    '/version',
    '/openapi/v2',
    '/openapi/v3',
    '/openapi/v3/apis/apps/v1',
    '/healthz',
    '/livez',
    '/readyz',
    '/readyz/etcd',
  ])('as %s is open to whoever reaches the cluster', (open) => {
    expect(allow(narrow, path(open))).toMatchObject({
      kubeUser: 'alice',
      kubeGroups: ['viewers', 'system:authenticated'],
    });
    expect(decideKubeAccess(access(narrow, path(open, 'head'))).allowed).toBe(true);
    expect(decideKubeAccess(access(narrow, path(open, 'post'))).allowed).toBe(false);
  });

  test.each([
    '/',
    '/metrics',
    '/logs/',
    '/logs/kube-apiserver.log',
    '/debug/pprof/heap',
    '/configz',
    '/flagz',
    '/statusz',
    '/.well-known/openid-configuration',
    '/openid/v1/jwks',
    '/versions',
    '/healthz2',
    '/apis/a/b/c',
    '/API',
    '/apis/../metrics',
  ])('as %s needs a rule for everything', (closed) => {
    expect(deny(narrow, path(closed))).toMatchObject({ code: 'access.path_not_allowed', status: 403 });
    expect(decideKubeAccess(access(wide, path(closed))).allowed).toBe(true);
  });

  test.each([
    ['of every kind with some verbs', rule({ verbs: ['get', 'list'] })],
    ['of every kind in one namespace', rule({ namespace: 'dev' })],
    ['of every kind of one name', rule({ name: 'x' })],
    ['of every kind of one group', rule({ api_group: 'apps' })],
    ['of nodes', rule({ kind: 'nodes', api_group: '' })],
  ])('beyond discovery is not open to a rule %s', (_, only) => {
    expect(deny([groupRole('a', 'v8', { kubernetes_resources: [only] })], path('/metrics')).code).toBe(
      'access.path_not_allowed',
    );
  });

  test('beyond discovery is open to a wildcard of version v7', () => {
    expect(decideKubeAccess(access([groupRole('a', 'v7', {})], path('/metrics'))).allowed).toBe(true);
  });

  test('beyond discovery is closed by a denial of everything, not by one of something', () => {
    const denied = (part: object) => [
      groupRole('a', 'v8', {}, { kubernetes_resources: [rule({ ...part })] }),
    ];
    expect(deny(denied({}), path('/metrics')).code).toBe('access.resource_denied');
    expect(
      decideKubeAccess(access(denied({ kind: 'secrets', api_group: '' }), path('/metrics'))).allowed,
    ).toBe(true);
  });

  test('is closed to who has no group', () => {
    expect(deny([groupRole('a', 'v8', { kubernetes_groups: [] })], path('/version')).code).toBe(
      'access.no_principals',
    );
  });

  test('is closed to who has no cluster', () => {
    expect(
      deny([groupRole('a', 'v8', { kubernetes_labels: { env: 'prod' } })], path('/version')).missing,
    ).toBe('labels');
  });

  test('says in a refusal what Kubernetes would', () => {
    expect(deny(narrow, path('/metrics')).message).toMatch(
      /^forbidden: User "alice" cannot get path "\/metrics"\n/,
    );
  });
});

describe('a review of oneself', () => {
  const narrow = [groupRole('a', 'v8', { kubernetes_resources: [podsInDev] })];

  test.each([
    ['create selfsubjectaccessreviews.authorization.k8s.io', true],
    ['create selfsubjectrulesreviews.authorization.k8s.io', true],
    ['create selfsubjectreviews.authentication.k8s.io', true],
    ['create subjectaccessreviews.authorization.k8s.io', false],
    ['create tokenreviews.authentication.k8s.io', false],
    ['create selfsubjectaccessreviews.example.com', false],
    ['get selfsubjectaccessreviews.authorization.k8s.io', false],
  ])('as %s is answered to everybody: %s', (request, expected) => {
    expect(decideKubeAccess(access(narrow, request)).allowed).toBe(expected);
  });

  test('can be denied', () => {
    const denied = rule({ kind: 'selfsubjectreviews' });
    const roles = [groupRole('a', 'v8', {}, { kubernetes_resources: [denied] })];
    expect(deny(roles, 'create selfsubjectreviews.authentication.k8s.io').code).toBe(
      'access.resource_denied',
    );
  });
});

describe('role versions', () => {
  const pod = { kind: 'pod', namespace: 'dev', name: '*' };

  test.each([
    ['a v5 role without resources reaches pods', groupRole('r', 'v5', {}), 'create pods/exec dev/x', true],
    [
      'a v5 role without resources reaches unknown kinds',
      groupRole('r', 'v5', {}),
      'get widgets.example.com dev/x',
      true,
    ],
    ['a v6 role without resources reaches no pods', groupRole('r', 'v6', {}), 'get pods dev/x', false],
    ['a v6 role without resources reaches secrets', groupRole('r', 'v6', {}), 'get secrets dev/x', true],
    [
      'a v6 role without resources reaches no unknown kinds',
      groupRole('r', 'v6', {}),
      'get widgets.example.com dev/x',
      false,
    ],
    [
      'a v6 role with pods in dev reaches them',
      groupRole('r', 'v6', { kubernetes_resources: [pod] }),
      'delete pods dev/x',
      true,
    ],
    [
      'a v6 role with pods in dev reaches no others',
      groupRole('r', 'v6', { kubernetes_resources: [pod] }),
      'delete pods prod/x',
      false,
    ],
    [
      'a v6 role with pods in dev has no shell on nodes',
      groupRole('r', 'v6', { kubernetes_resources: [pod] }),
      'get nodes/proxy n1',
      false,
    ],
    [
      'a v7 role without resources reaches unknown kinds',
      groupRole('r', 'v7', {}),
      'get widgets.example.com dev/x',
      true,
    ],
    [
      'a v7 rule without verbs reaches nothing',
      groupRole('r', 'v7', { kubernetes_resources: [pod] }),
      'get pods dev/x',
      false,
    ],
    [
      'a v7 rule for * in dev reaches nodes',
      groupRole('r', 'v7', { kubernetes_resources: [{ ...pod, kind: '*', verbs: ['*'] }] }),
      'get nodes n1',
      true,
    ],
    [
      'a v7 rule for * in dev has no shell on nodes',
      groupRole('r', 'v7', { kubernetes_resources: [{ ...pod, kind: '*', verbs: ['*'] }] }),
      'get nodes/proxy n1',
      false,
    ],
    [
      'a v7 rule for * in dev does not reach namespaces beside dev',
      groupRole('r', 'v7', { kubernetes_resources: [{ ...pod, kind: '*', verbs: ['*'] }] }),
      'get namespaces prod',
      false,
    ],
    [
      'a v8 rule for * in dev does not reach nodes',
      groupRole('r', 'v8', { kubernetes_resources: [rule({ namespace: 'dev' })] }),
      'get nodes n1',
      false,
    ],
    [
      'a v7 namespace reaches what is in it',
      groupRole('r', 'v7', { kubernetes_resources: [{ kind: 'namespace', name: 'dev', verbs: ['get'] }] }),
      'get secrets dev/x',
      true,
    ],
    [
      'a v7 namespace does not reach what is in another',
      groupRole('r', 'v7', { kubernetes_resources: [{ kind: 'namespace', name: 'dev', verbs: ['get'] }] }),
      'get secrets prod/x',
      false,
    ],
    [
      'a v7 rule for all namespaces does not reach nodes',
      groupRole('r', 'v7', { kubernetes_resources: [{ kind: 'namespace', name: '*', verbs: ['get'] }] }),
      'get nodes n1',
      false,
    ],
    [
      'a v3 role with groups reaches every cluster',
      role('r', 'v3', { allow: { kubernetes_groups: ['g'] } }),
      'get pods dev/x',
      true,
    ],
    [
      'a v4 role with groups alone reaches none',
      role('r', 'v4', { allow: { kubernetes_groups: ['g'] } }),
      'get pods dev/x',
      false,
    ],
  ])('%s', (_, only, request, expected) => {
    expect(decideKubeAccess(access([only], request)).allowed).toBe(expected);
  });
});

describe('the compiled policy', () => {
  test('follows a role that is replaced under the same name', () => {
    const before = groupRole('a', 'v8', { kubernetes_resources: [podsInDev] });
    const after = groupRole('a', 'v8', { kubernetes_resources: [rule({ kind: 'secrets', api_group: '' })] });
    expect(decideKubeAccess(access([before], 'get pods dev/x')).allowed).toBe(true);
    expect(decideKubeAccess(access([after], 'get pods dev/x')).allowed).toBe(false);
    expect(decideKubeAccess(access([before], 'get pods dev/x')).allowed).toBe(true);
  });

  test('does not mix up users with other traits', () => {
    const roles = [groupRole('a', 'v8', { kubernetes_groups: ['{{external.g}}'] })];
    const bob = { name: 'bob', traits: { g: ['x'] } };
    const eve = { name: 'bob', traits: { g: ['y'] } };
    expect(allow(roles, 'get pods dev/x', { user: bob }).kubeGroups[0]).toBe('x');
    expect(allow(roles, 'get pods dev/x', { user: eve }).kubeGroups[0]).toBe('y');
  });

  test('does not mix up rules with templates between users', () => {
    const roles = [
      groupRole('a', 'v8', { kubernetes_resources: [rule({ namespace: '{{external.team}}' })] }),
    ];
    const red = { name: 'r', traits: { team: ['red'] } };
    const blue = { name: 'b', traits: { team: ['blue'] } };
    expect(decideKubeAccess(access(roles, 'get pods red/x', { user: red })).allowed).toBe(true);
    expect(decideKubeAccess(access(roles, 'get pods red/x', { user: blue })).allowed).toBe(false);
  });

  test('does not mix up clusters with other labels', () => {
    const roles = [groupRole('a', 'v8', { kubernetes_labels: { env: 'dev' } })];
    for (const [labels, expected] of [
      [{ env: 'dev' }, true],
      [{ env: 'prod' }, false],
      [{ env: 'dev' }, true],
    ] as const) {
      const decision = decideKubeAccess(access(roles, 'get pods dev/x', { cluster: { name: 'c1', labels } }));
      expect(decision.allowed).toBe(expected);
    }
  });

  test('decides with ten thousand rules', () => {
    const rules = Array.from({ length: 10_000 }, (_, i) =>
      rule({ kind: 'pods', api_group: '', namespace: `ns-${i}`, name: `web-${i}-*` }),
    );
    const roles = [groupRole('a', 'v8', { kubernetes_resources: rules })];
    const request = parseRequest('get pods ns-9999/web-9999-x');
    const asked = access(roles, request);
    for (let i = 0; i < 1000; i += 1) expect(decideKubeAccess(asked).allowed).toBe(true);
  });
});
