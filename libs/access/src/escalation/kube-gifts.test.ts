import type { Role } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from '../decide-access.ts';
import { access, alice, attributes, groupRole, role, rule } from '../testing.ts';
import { kubeGiftBeyond, mayEscalate } from './kube-gifts.ts';

const dev = groupRole('dev', 'v8', {
  kubernetes_labels: { env: 'dev' },
  kubernetes_groups: ['viewers'],
  kubernetes_resources: [rule({ kind: 'pods', api_group: '', namespace: 'dev', verbs: ['get', 'list'] })],
});

const beyond = (
  giver: readonly Role[],
  given: Role,
  { traits, before }: { traits?: Record<string, string[]>; before?: Role } = {},
) =>
  kubeGiftBeyond(
    { user: alice, roles: giver },
    {
      roles: [given],
      among: [given],
      traits,
      ...(before ? { had: { user: { name: '', traits: {} }, roles: [before] } } : {}),
    },
  );

const like = (allow: object, deny: object = {}) =>
  groupRole(
    'new',
    'v8',
    {
      kubernetes_labels: { env: 'dev' },
      kubernetes_resources: [rule({ kind: 'pods', api_group: '', namespace: 'dev', verbs: ['get'] })],
      ...allow,
    },
    deny,
  );

describe('what a role gives', () => {
  test('within what its author has is nothing more (A-10)', () => {
    expect(beyond([dev], like({}))).toBeUndefined();
    expect(beyond([dev], like({ kubernetes_labels: { env: 'dev', team: 'a' } }))).toBeUndefined();
  });

  test.each([
    ['another group', { kubernetes_groups: ['system:masters'] }, /group "system:masters" to get pods/],
    ['another user', { kubernetes_users: ['root'] }, /user "root"/],
    ['other clusters', { kubernetes_labels: { '*': '*' } }, /group "viewers"/],
    ['a cluster by another label', { kubernetes_labels: { team: 'a' } }, /group "viewers"/],
    ['clusters by an expression', { kubernetes_labels_expression: 'labels["team"] == "a"' }, undefined],
    [
      'another verb',
      { kubernetes_resources: [rule({ kind: 'pods', namespace: 'dev', verbs: ['exec'] })] },
      /exec/,
    ],
    ['another namespace', { kubernetes_resources: [rule({ kind: 'pods', namespace: 'prod' })] }, /"prod"/],
    ['every kind', { kubernetes_resources: [rule({ namespace: 'dev', verbs: ['get'] })] }, /get \*/],
    ['templates', { kubernetes_groups: ['{{internal.kubernetes_groups}}'] }, /templates of role "new"/],
  ] as const)('beyond it is told: %s (A-10)', (_, allow, told) => {
    const found = beyond([dev], like(allow));
    if (told) expect(found).toMatch(told);
    else expect(found).toBeUndefined();
  });

  test('is more without the denials of its author (A-10)', () => {
    const denial = {
      kubernetes_resources: [rule({ kind: 'pods', api_group: '', namespace: 'dev', name: 'db' })],
    };
    const denied = groupRole('careful', 'v8', {}, denial);
    expect(beyond([dev, denied], like({}))).toBe('what role "careful" denies to you');
    expect(beyond([dev, denied], like({}, denial))).toBeUndefined();
  });

  test('may be made of several roles, each pair of rule and group within one (A-10)', () => {
    const admins = groupRole('admins', 'v8', {
      kubernetes_groups: ['admins'],
      kubernetes_resources: [rule({ kind: 'pods', namespace: 'dev', name: 'web-*' })],
    });
    expect(beyond([dev, admins], like({ kubernetes_groups: ['viewers', 'admins'] }))).toMatch(
      /group "admins"/,
    );
  });

  test('is what it was when only something else of it changes', () => {
    const before = like({ kubernetes_groups: ['system:masters'] });
    const after = role('new', 'v8', { allow: { ...before.spec.allow, rules: [] } });
    expect(beyond([dev], after, { before })).toBeUndefined();
    expect(beyond([dev], like({ kubernetes_groups: ['system:masters', 'x'] }), { before })).toMatch(/"x"/);
  });

  test('grows when a denial goes (A-10)', () => {
    const before = like({}, { kubernetes_groups: ['x'] });
    expect(beyond([dev], like({}), { before })).toBe('what role "new" denies');
    expect(beyond([dev], like({}, { kubernetes_groups: ['x', 'y'] }), { before })).toBeUndefined();
  });

  test('is filled in with the traits of the receiver (A-10)', () => {
    const templated = like({ kubernetes_groups: ['{{internal.kubernetes_groups}}'] });
    expect(beyond([dev], templated, { traits: { kubernetes_groups: ['viewers'] } })).toBeUndefined();
    expect(beyond([dev], templated, { traits: { kubernetes_groups: ['admins'] } })).toMatch(/"admins"/);
  });
});

describe('to give more', () => {
  test('takes the verb escalate on role, which * includes (A-10)', () => {
    const writer = (verbs: string[]) => [
      role('w', 'v8', { allow: { rules: [{ resources: ['role'], verbs }] } }),
    ];
    expect(mayEscalate(writer(['create', 'update', 'read', 'list', 'delete']))).toBe(false);
    expect(mayEscalate(writer(['escalate']))).toBe(true);
    expect(mayEscalate(writer(['*']))).toBe(true);
  });
});

const someRule = fc
  .record({
    kind: fc.constantFrom('pods', 'namespaces', 'nodes', '*'),
    namespace: fc.constantFrom('*', 'dev', 'd*', '^(dev|prod)$'),
    name: fc.constantFrom('*', 'web-*', 'web-1', '^web-[12]$', 'dev'),
    verbs: fc.constantFrom(['*'], ['get'], ['get', 'delete', 'list']),
  })
  .map((part) => rule({ ...part, api_group: part.kind === '*' ? '*' : '' }));

const someRole = fc.record({
  labels: fc.constantFrom({ '*': '*' }, { env: 'dev' }, { env: ['dev', 'prod'] }, { env: 'p*' }),
  allow: fc.array(someRule, { minLength: 1, maxLength: 2 }),
  deny: fc.array(someRule, { maxLength: 1 }),
  groups: fc.subarray(['g1', 'g2'], { minLength: 1 }),
});

const roleOf = (
  name: string,
  { labels, allow, deny, groups }: typeof someRole extends fc.Arbitrary<infer T> ? T : never,
) =>
  groupRole(
    name,
    'v8',
    { kubernetes_labels: labels, kubernetes_groups: groups, kubernetes_resources: allow },
    { kubernetes_resources: deny },
  );

const someRequest = fc
  .record({
    resource: fc.constantFrom('pods', 'namespaces', 'nodes', 'secrets'),
    namespace: fc.constantFrom('dev', 'prod'),
    name: fc.constantFrom('web-1', 'web-2', 'dev', 'prod'),
    verb: fc.constantFrom('get', 'delete', 'exec'),
  })
  .map(({ namespace, ...rest }) =>
    attributes({ ...rest, namespace: ['nodes', 'namespaces'].includes(rest.resource) ? '' : namespace }),
  );

test('whoever may give a role may do all that it allows (A-10)', () => {
  let given = 0;
  fc.assert(
    fc.property(
      fc.array(someRole, { minLength: 1, maxLength: 3 }),
      someRole,
      fc.array(someRequest, { minLength: 20, maxLength: 20 }),
      fc.record({ env: fc.constantFrom('dev', 'prod'), isLikeOwn: fc.boolean() }),
      (own, written, requests, { env, isLikeOwn }) => {
        const giver = own.map((each, index) => roleOf(`own-${index}`, each));
        const { labels, groups } = own[0]!;
        const gift = roleOf('gift', isLikeOwn ? { ...written, labels, groups } : written);
        if (beyond(giver, gift) !== undefined) return;
        given += 1;
        const cluster = { name: 'c1', labels: { env } };
        for (const request of requests) {
          const theirs = decideKubeAccess(access([gift], request, { cluster }));
          if (!theirs.allowed) continue;
          const ours = decideKubeAccess(access(giver, request, { cluster }));
          expect(ours.allowed).toBe(true);
          if (ours.allowed) expect(ours.kubeGroups).toEqual(expect.arrayContaining([...theirs.kubeGroups]));
        }
      },
    ),
    { numRuns: 2000, seed: 11 },
  );
  expect(given).toBeGreaterThan(50);
});
