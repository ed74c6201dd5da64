import type { Role } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { compileFilter } from './resource-filter.ts';
import { access, attributes, groupRole } from './testing.ts';

interface Written {
  readonly kind: string;
  readonly api_group: string;
  readonly namespace: string;
  readonly name: string;
  readonly verbs: readonly string[];
}

const types = [
  { kind: 'pods', api_group: '' },
  { kind: 'namespaces', api_group: '' },
  { kind: 'nodes', api_group: '' },
  { kind: 'widgets', api_group: 'example.com' },
];
const verbs = ['get', 'list', 'watch', 'delete', 'deletecollection', 'create'];
const namespaces = ['dev', 'dev-1', 'prod'];
const names = ['web-1', 'web-2', 'db', 'dev'];

const writtenRule: fc.Arbitrary<Written> = fc
  .record({
    type: fc.constantFrom(...types, { kind: '*', api_group: '*' }),
    namespace: fc.constantFrom('*', 'dev', 'dev*', '^(dev|prod)$', 'prod', ''),
    name: fc.constantFrom('*', 'web-*', 'web-1', '^web-[12]$', '*b', 'dev', 'd*v', '**'),
    verbs: fc.oneof(fc.constant(['*']), fc.subarray(verbs)),
  })
  .map(({ type, namespace, ...rest }) => ({
    ...type,
    namespace: type.kind === 'pods' ? namespace || '*' : namespace,
    ...rest,
  }));

const someRole = fc.record({
  allow: fc.array(writtenRule, { maxLength: 5 }),
  deny: fc.array(writtenRule, { maxLength: 2 }),
  groups: fc.subarray(['g1', 'g2', 'g3']),
  deniedGroups: fc.subarray(['g1', 'g2']),
});
type SomeRole = typeof someRole extends fc.Arbitrary<infer T> ? T : never;

function toRole(written: SomeRole, index: number): Role {
  const allow = { kubernetes_groups: written.groups, kubernetes_resources: written.allow };
  return groupRole(`r${index}`, 'v8', allow, {
    kubernetes_groups: written.deniedGroups,
    kubernetes_resources: written.deny,
  });
}

const someRoles = fc.array(someRole, { minLength: 1, maxLength: 4 }).map((roles) => roles.map(toRole));

const someObject = fc
  .record({
    type: fc.constantFrom(...types),
    namespace: fc.constantFrom(...namespaces),
    name: fc.constantFrom(...names),
  })
  .map(({ type, namespace, name }) => ({
    resource: type.kind,
    apiGroup: type.api_group,
    namespace: type.kind === 'nodes' || type.kind === 'namespaces' ? '' : namespace,
    name,
  }));

/** The rules of 2.6.5 again, read aloud and not optimised: what the indexed ones are compared with. */
function fits(pattern: string, text: string): boolean {
  if (pattern.startsWith('^') && pattern.endsWith('$'))
    return new RegExp(`^(?:${pattern.slice(1, -1)})$`).test(text);
  return new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(text);
}

interface Asked {
  readonly verb: string;
  readonly resource: string;
  readonly apiGroup: string;
  readonly namespace: string;
  readonly name: string;
}

function matches(rule: Written, asked: Asked, side: 'allow' | 'deny'): boolean {
  if (!rule.verbs.includes('*') && !rule.verbs.includes(asked.verb)) return false;
  if (asked.resource === 'namespaces') return matchesNamespace(rule, asked, side);
  if (rule.kind !== '*' && rule.kind !== asked.resource) return false;
  if (!fits(rule.api_group, asked.apiGroup) || !fits(rule.name, asked.name)) return false;
  return asked.namespace === ''
    ? rule.namespace === '' || rule.namespace === '*'
    : fits(rule.namespace, asked.namespace);
}

function matchesNamespace(rule: Written, asked: Asked, side: 'allow' | 'deny'): boolean {
  const isUnscoped = rule.namespace === '' || rule.namespace === '*';
  const inCore = fits(rule.api_group, '');
  const byName = fits(rule.name, asked.name);
  const byScope = rule.namespace !== '' && fits(rule.namespace, asked.name);
  if (side === 'deny') {
    if (rule.kind === 'namespaces') return byName;
    return rule.kind === '*' && inCore && (isUnscoped ? byName : byScope);
  }
  if (rule.kind === 'namespaces')
    return isUnscoped ? byName : isReading(asked) && rule.name === '*' && byScope;
  if (isReading(asked) && rule.kind !== 'nodes' && byScope) return true;
  if (rule.kind !== '*' || !inCore) return false;
  return isUnscoped ? byName : rule.name === '*' && byScope;
}

function isReading({ verb }: Asked): boolean {
  return ['get', 'list', 'watch'].includes(verb);
}

function rulesOf(roles: readonly Role[], side: 'allow' | 'deny'): Written[] {
  return roles
    .flatMap((role) => role.spec[side].kubernetes_resources ?? [])
    .map((rule) => ({
      ...rule,
      api_group: rule.api_group ?? '',
      namespace: rule.namespace ?? '',
    }));
}

function decide(roles: readonly Role[], asked: Asked) {
  return decideKubeAccess(access(roles, attributes(asked)));
}

/** Roles without principals are out of the question here. */
function withGroup(roles: readonly Role[]): Role[] {
  return [...roles, groupRole('group', 'v8', { kubernetes_groups: ['g'], kubernetes_resources: [nothing] })];
}
const nothing = { kind: 'nothing', api_group: 'example.com', namespace: '', name: 'x', verbs: [] };

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}

describe('a decision about one object', () => {
  test('is what the rules say when they are read one by one, whatever their wildcards (A-02)', () => {
    fc.assert(
      fc.property(
        someRoles,
        someObject,
        fc.constantFrom('get', 'delete', 'create'),
        (roles, object, verb) => {
          const asked = { ...object, verb };
          const denied = rulesOf(roles, 'deny').some((rule) => matches(rule, asked, 'deny'));
          const allowing = rulesOf(roles, 'allow').some((rule) => matches(rule, asked, 'allow'));
          const decision = decide(withGroup(roles), asked);
          const isAllowed = decision.allowed || decision.code === 'access.no_principals';
          expect(isAllowed).toBe(allowing && !denied);
        },
      ),
      { numRuns: 600 },
    );
  });

  test('never allows what any role denies', () => {
    fc.assert(
      fc.property(
        someRoles,
        writtenRule,
        someObject,
        fc.constantFrom(...verbs),
        (roles, rule, object, verb) => {
          const asked = { ...object, verb };
          fc.pre(matches(rule, asked, 'deny'));
          const denying = groupRole('denying', 'v8', {}, { kubernetes_resources: [rule] });
          expect(decide([...roles, denying], asked).allowed).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('never gives a group that any role denies', () => {
    fc.assert(
      fc.property(someRoles, someObject, fc.constantFrom(...verbs), (roles, object, verb) => {
        const decision = decide(roles, { ...object, verb });
        const denied = roles.flatMap((role) => role.spec.deny.kubernetes_groups ?? []);
        if (decision.allowed)
          expect(decision.kubeGroups.filter((group) => denied.includes(group))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('does not depend on the order of five roles or of their rules (A-01)', () => {
    const five = fc.array(someRole, { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(
        five,
        someObject,
        fc.constantFrom(...verbs),
        fc.boolean(),
        (written, object, verb, isNamed) => {
          const asked = { ...object, verb, name: isNamed ? object.name : '' };
          const roles = written.map(toRole);
          const reversed = written.map((role, i) =>
            toRole({ ...role, allow: role.allow.toReversed(), deny: role.deny.toReversed() }, i),
          );
          const expected = decide(roles, asked);
          expect(decide(reversed, asked)).toEqual(expected);
          for (const order of permutations(roles)) expect(decide(order, asked)).toEqual(expected);
        },
      ),
      { numRuns: 5 },
    );
  });

  test('only widens with another role that denies nothing', () => {
    fc.assert(
      fc.property(
        someRoles,
        someRole,
        someObject,
        fc.constantFrom(...verbs),
        (roles, extra, object, verb) => {
          const asked = { ...object, verb };
          const more = toRole({ ...extra, deny: [], deniedGroups: [] }, 99);
          if (decide(roles, asked).allowed) expect(decide([...roles, more], asked).allowed).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a decision about hostile input', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('__proto__', 'constructor', '*', '^.*$', '\ud800', ''),
  );
  const roles = [
    groupRole('a', 'v8', {
      kubernetes_resources: [
        { kind: 'pods', api_group: '', namespace: 'dev*', name: '^[a-z-]+$', verbs: ['get', 'list'] },
        { kind: 'widgets', api_group: '*.com', namespace: '*', name: '*-*', verbs: ['*'] },
      ],
    }),
  ];

  test('never throws, and never allows what no rule names', () => {
    const hostile = fc.record({
      verb: fc.oneof(text, fc.constantFrom(...verbs)),
      resource: text,
      subresource: text,
      apiGroup: text,
      namespace: text,
      name: text,
    });
    fc.assert(
      fc.property(hostile, fc.array(text, { maxLength: 2 }), (part, asked) => {
        const request = attributes(part);
        const decision = decideKubeAccess(
          access(roles, request, { impersonate: { user: asked, groups: asked } }),
        );
        expect(decision.allowed).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a filtered list', () => {
  const scope = fc.constantFrom('', ...namespaces);

  test('shows exactly the objects that a decision about each of them allows', () => {
    fc.assert(
      fc.property(
        someRoles,
        fc.constantFrom(...types),
        scope,
        fc.constantFrom('list', 'watch', 'deletecollection'),
        (roles, type, scope, verb) => {
          const isClusterWide = type.kind === 'nodes' || type.kind === 'namespaces';
          const { kind: resource, api_group: apiGroup } = type;
          const namespace = isClusterWide ? '' : scope;
          const list = decide(withGroup(roles), { verb, resource, apiGroup, namespace, name: '' });
          const passes = list.allowed ? (list.rules ? compileFilter(list.rules) : () => true) : () => false;
          const isRefusedForPrincipals = !list.allowed && list.code === 'access.no_principals';
          const inScope = isClusterWide
            ? ['']
            : namespaces.filter((one) => namespace === '' || one === namespace);
          for (const one of inScope) {
            for (const name of names) {
              const asked = { verb, resource, apiGroup, namespace: one, name };
              const single = decide(withGroup(roles), asked);
              const isVisible = single.allowed || single.code === 'access.no_principals';
              if (!isRefusedForPrincipals)
                expect([one, name, passes(apiGroup, resource, one, name)]).toEqual([one, name, isVisible]);
            }
          }
        },
      ),
      { numRuns: 250 },
    );
  });
});
