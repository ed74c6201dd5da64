import { describe, expect, test } from 'vitest';
import { intersectRules, reviewSelfSubjectRules, type RulesReview } from './rules-review.ts';
import { alice, cluster, groupRole, role, rule } from './testing.ts';

const pods = (namespace: string, name = '*', verbs: readonly string[] = ['*']) =>
  rule({ kind: 'pods', api_group: '', namespace, name, verbs });

describe('a review of rules', () => {
  const kinds = (rules: readonly { readonly kind: string }[]) => rules.map((rule) => rule.kind);

  test('lists what applies to the namespace and to the whole cluster', () => {
    const allow = [
      pods('dev'),
      pods('prod'),
      rule({ kind: 'secrets', api_group: '', namespace: 'd*' }),
      rule({ kind: 'nodes', api_group: '', namespace: '' }),
    ];
    const roles = [
      groupRole('r', 'v8', { kubernetes_resources: allow }, { kubernetes_resources: [pods('*', 'web-2')] }),
    ];
    const rules = reviewSelfSubjectRules({ user: alice, roles, cluster }, 'dev');
    expect(kinds(rules.allowed)).toEqual(['pods', 'secrets', 'nodes']);
    expect(rules.denied).toEqual([
      { kind: 'pods', apiGroup: '', namespace: '*', name: 'web-2', verbs: ['*'] },
    ]);
  });

  test('leaves out roles that do not select the cluster, but not their denials', () => {
    const roles = [
      groupRole('a', 'v8', { kubernetes_resources: [pods('dev')] }),
      groupRole(
        'b',
        'v8',
        { kubernetes_labels: { env: 'prod' } },
        { kubernetes_resources: [pods('dev', 'x')] },
      ),
    ];
    const rules = reviewSelfSubjectRules({ user: alice, roles, cluster }, 'dev');
    expect([rules.allowed.length, rules.denied.length]).toEqual([1, 1]);
  });

  test('is empty with a reason where the cluster is refused', () => {
    const rules = reviewSelfSubjectRules({ user: alice, roles: [role('r', 'v8', {})], cluster }, 'dev');
    expect(rules).toMatchObject({ allowed: [], denied: [], refusal: { missing: 'labels' } });
  });
});

describe('a list of what may be done', () => {
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
  const theirs = (...resourceRules: RulesReview['resourceRules']): RulesReview => ({
    resourceRules,
    nonResourceRules: [],
    incomplete: false,
  });
  const list = (allow: object[], given: RulesReview, deny: object[] = []) => {
    const roles = [groupRole('r', 'v8', { kubernetes_resources: allow }, { kubernetes_resources: deny })];
    return intersectRules(reviewSelfSubjectRules({ user: alice, roles, cluster }, 'dev'), given);
  };
  const entry = (verbs: string[], resource: string, ...resourceNames: string[]) => ({
    verbs,
    apiGroups: [''],
    resources: [resource],
    ...(resourceNames.length > 0 ? { resourceNames } : {}),
  });

  test('has the narrower of both, by verb, resource and name (A-16)', () => {
    const reading = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'secrets'] };
    expect(list([pods('dev')], theirs(reading)).resourceRules).toEqual([entry(['get', 'list'], 'pods')]);
    expect(list([pods('dev', 'web-*', ['get'])], theirs(reading)).resourceRules).toEqual([
      entry(['get'], 'pods', 'web-*'),
    ]);
    const named = { ...reading, resourceNames: ['web-1', 'db'] };
    expect(list([pods('dev', 'web-*')], theirs(named)).resourceRules).toEqual([
      entry(['get', 'list'], 'pods', 'web-1'),
    ]);
    expect(list([pods('prod')], theirs(reading)).resourceRules).toEqual([]);
  });

  test('has the subresources that our verbs allow, and no others (A-16)', () => {
    const shown = list([pods('dev', '*', ['get', 'exec'])], theirs(everything)).resourceRules;
    expect(shown).toContainEqual(entry(['get'], 'pods'));
    expect(shown).toContainEqual(entry(['get'], 'pods/log'));
    expect(shown).toContainEqual(entry(expect.arrayContaining(['create', 'get']) as never, 'pods/exec'));
    expect(shown.flatMap(({ resources }) => resources)).not.toContain('pods/proxy');
    expect(shown.flatMap(({ resources }) => resources)).not.toContain('pods/portforward');
  });

  test('says that it is not all where denials or mixed groups cannot be shown (A-16)', () => {
    const denied = list([pods('dev')], theirs(everything), [pods('dev', 'web-2')]);
    expect(denied).toMatchObject({
      incomplete: true,
      evaluationError: expect.stringContaining('deny rules'),
    });
    expect(list([pods('dev')], theirs(everything), [pods('*')]).resourceRules).toEqual([]);
    const roles = [
      groupRole('a', 'v8', { kubernetes_resources: [pods('dev')] }),
      groupRole('b', 'v8', { kubernetes_groups: ['others'], kubernetes_resources: [pods('dev', 'x')] }),
    ];
    const mixed = intersectRules(
      reviewSelfSubjectRules({ user: alice, roles, cluster }, 'dev'),
      theirs(everything),
    );
    expect(mixed.evaluationError).toMatch(/different Kubernetes users or groups/);
  });

  test('has paths that are open, and others only with a rule for everything (A-16)', () => {
    const given: RulesReview = {
      ...theirs(),
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/api/*', '/metrics', '/version'] }],
    };
    expect(list([pods('dev')], given).nonResourceRules).toEqual([
      { verbs: ['get', 'head'], nonResourceURLs: ['/api/*', '/version'] },
    ]);
    expect(list([rule()], given).nonResourceRules).toEqual(given.nonResourceRules);
  });

  test('has the reviews of oneself, and nothing in a cluster that is refused', () => {
    const own = {
      verbs: ['create'],
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews'],
    };
    expect(list([pods('prod')], theirs(own)).resourceRules).toEqual([own]);
    const refused = reviewSelfSubjectRules({ user: alice, roles: [], cluster }, 'dev');
    expect(intersectRules(refused, theirs(own, everything)).resourceRules).toEqual([]);
  });
});
