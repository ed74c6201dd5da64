import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { compileFilter, type ResourceFilter } from './resource-filter.ts';
import { access, groupRole, rule } from './testing.ts';

type Rules = readonly Record<string, unknown>[];
const pods = (namespace: string, name = '*', verbs = ['*']) =>
  rule({ kind: 'pods', api_group: '', namespace, name, verbs });

function filterOf(request: string, allow: Rules, deny: Rules = []): ResourceFilter | undefined {
  const only = groupRole('r', 'v8', { kubernetes_resources: allow }, { kubernetes_resources: deny });
  const decision = decideKubeAccess(access([only], request));
  if (!decision.allowed) throw new Error(decision.message);
  return decision.rules;
}

describe('the filter of a list', () => {
  test.each<[string, string, Rules, Rules, boolean]>([
    ['is absent when everything is allowed', 'list pods', [rule()], [], false],
    ['is absent when the namespace is allowed', 'list pods dev/', [pods('dev')], [], false],
    ['is absent when a glob covers the namespace', 'list pods dev/', [pods('d*')], [], false],
    ['is absent for a watch as well', 'watch pods dev/', [pods('dev')], [], false],
    ['is absent for one name that is allowed', 'list pods dev/web-1', [pods('dev', 'web-*')], [], false],
    ['is absent for a single object', 'get pods dev/web-1', [pods('dev', 'web-*')], [], false],
    [
      'is absent when a denial is of another verb',
      'list pods dev/',
      [rule()],
      [pods('*', '*', ['delete'])],
      false,
    ],
    ['is absent when a denial is in another namespace', 'list pods dev/', [rule()], [pods('prod')], false],
    [
      'is absent for cluster-wide kinds without namespace',
      'list nodes',
      [rule({ kind: 'nodes', api_group: '', namespace: '' })],
      [],
      false,
    ],
    ['is there when one namespace of all is allowed', 'list pods', [pods('dev')], [], true],
    ['is there when some names are allowed', 'list pods dev/', [pods('dev', 'web-*')], [], true],
    ['is there when some names are denied', 'list pods dev/', [rule()], [pods('dev', 'web-*')], true],
    ['is there when a namespace of all is denied', 'list pods', [rule()], [pods('prod')], true],
    [
      'is there for a deletecollection of some names',
      'deletecollection pods dev/',
      [pods('dev', 'web-*')],
      [],
      true,
    ],
    ['is there for namespaces seen by what is in them', 'list namespaces', [pods('dev')], [], true],
    [
      'is there for an unknown kind without namespace',
      'list things.example.com',
      [rule({ kind: 'things', namespace: '' })],
      [],
      true,
    ],
    ['is there when ** is allowed', 'list pods dev/', [pods('dev', '**')], [], true],
  ])('%s', (_, ...[request, allow, deny, expected]) => {
    expect(filterOf(request, allow, deny) !== undefined).toBe(expected);
  });

  test('survives JSON, as it travels in a grant', () => {
    const filter = filterOf('list pods', [pods('dev', 'web-*'), pods('^t[0-9]$')], [pods('*', 'web-2')])!;
    expect(JSON.parse(JSON.stringify(filter))).toEqual(filter);
    expect(filter).toEqual({
      v: 1,
      apiGroup: '',
      resource: 'pods',
      allow: [
        { namespace: '^t[0-9]$', names: ['*'] },
        { namespace: 'dev', names: ['web-*'] },
      ],
      deny: [{ namespace: '*', names: ['web-2'] }],
    });
  });

  test('holds only rules for its verb, kind and namespace', () => {
    const filter = filterOf('list pods dev/', [
      pods('dev', 'a'),
      pods('dev', 'b', ['get']),
      pods('prod', 'c'),
      rule({ kind: 'secrets', api_group: '', name: 'd' }),
      rule({ kind: '*', name: 'e' }),
    ])!;
    expect(filter.allow.flatMap((entry) => entry.names)).toEqual(['e', 'a']);
  });

  test('is the same object for the same list, so that it is compiled and signed once', () => {
    const only = groupRole('r', 'v8', { kubernetes_resources: [pods('dev')] });
    const decisions = [1, 2].map(() => decideKubeAccess(access([only], 'list pods')));
    expect(decisions[0]).toMatchObject({ allowed: true, rules: { v: 1 } });
    expect(decisions[0]?.allowed && decisions[0].rules).toBe(decisions[1]?.allowed && decisions[1].rules);
  });
});

describe('a compiled filter', () => {
  const passes = compileFilter({
    v: 1,
    apiGroup: '',
    resource: 'pods',
    allow: [
      { namespace: 'dev', names: ['web-*', 'exact'] },
      { namespace: '^t[0-9]$', names: ['*'] },
      { namespace: 'team-*', names: ['^a.c$'] },
      { namespace: '', names: ['whole'] },
    ],
    deny: [{ namespace: '*', names: ['web-2', '*-secret'] }],
  });

  test.each([
    ['passes a name that fits', 'dev', 'web-1', true],
    ['passes an exact name', 'dev', 'exact', true],
    ['stops another name', 'dev', 'db', false],
    ['stops a longer name', 'dev', 'exact-2', false],
    ['stops another namespace', 'prod', 'web-1', false],
    ['stops a longer namespace', 'dev2', 'web-1', false],
    ['passes a namespace by regular expression', 't1', 'anything', true],
    ['stops a namespace that only begins so', 't10', 'anything', false],
    ['passes a name by regular expression in a namespace by glob', 'team-x', 'abc', true],
    ['stops a name that does not fit it', 'team-x', 'abbc', false],
    ['passes an object of the whole cluster', '', 'whole', true],
    ['stops such a name in a namespace', 'dev', 'whole', false],
    ['stops what is denied by name', 'dev', 'web-2', false],
    ['stops what is denied by glob', 't1', 'my-secret', false],
    ['stops nothing else', 't1', 'web-3', true],
    ['stops an object without a name', 'dev', '', false],
  ])('%s', (_, namespace, name, expected) => {
    expect(passes('', 'pods', namespace, name)).toBe(expected);
  });

  test('stops other resource types', () => {
    expect(passes('', 'secrets', 'dev', 'web-1')).toBe(false);
    expect(passes('metrics.k8s.io', 'pods', 'dev', 'web-1')).toBe(false);
  });

  test('of an unknown version is refused', () => {
    const future = { v: 2, apiGroup: '', resource: 'pods', allow: [], deny: [] } as unknown as ResourceFilter;
    expect(() => compileFilter(future)).toThrow(expect.objectContaining({ code: 'access.unknown_filter' }));
  });

  test('without entries stops everything', () => {
    expect(
      compileFilter({ v: 1, apiGroup: '', resource: 'pods', allow: [], deny: [] })('', 'pods', 'dev', 'x'),
    ).toBe(false);
  });

  test('with ten thousand entries decides as they are written', () => {
    const allow = Array.from({ length: 100 }, (_, ns) => ({
      namespace: `ns-${ns}`,
      names: Array.from({ length: 100 }, (_, i) => (i % 2 ? `web-${i}-*` : `db-${i}`)),
    }));
    const passes = compileFilter({ v: 1, apiGroup: '', resource: 'pods', allow, deny: [] });
    let passed = 0;
    for (let i = 0; i < 5000; i += 1)
      passed += Number(passes('', 'pods', `ns-${i % 200}`, `web-${i % 100}-x`));
    expect(passed).toBe(1250);
  });

  test('with patterns that fit anywhere decides the same again', () => {
    const filter: ResourceFilter = {
      v: 1,
      apiGroup: '',
      resource: 'pods',
      allow: [{ namespace: '*', names: ['^[a-z]+$'] }],
      deny: [],
    };
    const slow = compileFilter(filter);
    for (const _ of [1, 2]) {
      expect(slow('', 'pods', 'dev', 'web')).toBe(true);
      expect(slow('', 'pods', 'dev', 'web-1')).toBe(false);
    }
  });
});
