import type { Role, RoleVersion } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { explainKubeAccess } from './explain-access.ts';
import { attributes, cluster, parseRequest, role } from './testing.ts';

describe('an explanation, whatever the roles and the request', () => {
  const someRule = fc
    .record({
      type: fc.constantFrom(
        ['pods', ''],
        ['namespaces', ''],
        ['nodes', ''],
        ['widgets', 'example.com'],
        ['*', '*'],
      ),
      namespace: fc.constantFrom('*', 'dev', 'dev*', '^(dev|prod)$', 'prod'),
      name: fc.constantFrom('*', 'web-*', 'web-1', 'dev', '{{external.team}}-*'),
      verbs: fc.oneof(
        fc.constant(['*']),
        fc.subarray(['get', 'list', 'watch', 'create', 'deletecollection', 'exec']),
      ),
    })
    .map(({ type: [kind, api_group], ...rest }) => ({ kind, api_group, ...rest }));
  const labels = fc.constantFrom(
    { '*': '*' },
    { env: 'dev' },
    { env: 'prod' },
    { env: '{{external.env}}' },
    {},
  );
  const v8Role = fc.record({
    version: fc.constant<RoleVersion>('v8'),
    labels,
    denied: fc.option(labels, { nil: undefined, freq: 8 }),
    users: fc.subarray(['one', 'two'], { maxLength: 1 }),
    groups: fc.subarray(['g1', 'g2']),
    deniedGroups: fc.subarray(['g1', 'g2']),
    allow: fc.array(someRule, { maxLength: 4 }),
    deny: fc.array(someRule, { maxLength: 2 }),
  });
  const oldRole = v8Role.chain((sketch) =>
    fc.constantFrom<RoleVersion>('v5', 'v6', 'v7').map((version) => {
      const kind = version === 'v7' ? 'namespace' : 'pod';
      const old = (namespace: string, name: string) => ({
        kind,
        name,
        ...(kind === 'pod' ? { namespace } : { verbs: ['*'] }),
      });
      return {
        ...sketch,
        version,
        allow: sketch.allow.map((r) => old(r.namespace, 'dev')),
        deny: sketch.deny.map(() => old('prod', 'prod')),
      };
    }),
  );
  const roles = fc
    .array(fc.oneof({ weight: 3, arbitrary: v8Role }, oldRole), { maxLength: 4 })
    .map((sketches) =>
      sketches.map((sketch, at) =>
        role(`r${at}`, sketch.version, {
          allow: {
            kubernetes_labels: sketch.labels,
            kubernetes_users: sketch.users,
            kubernetes_groups: sketch.groups,
            kubernetes_resources: sketch.allow,
          },
          deny: {
            ...(sketch.denied ? { kubernetes_labels: sketch.denied } : {}),
            kubernetes_groups: sketch.deniedGroups,
            kubernetes_resources: sketch.deny,
          },
        }),
      ),
    );
  const request = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('get', 'list', 'watch', 'create', 'deletecollection'),
        fc.constantFrom(
          'pods',
          'pods/exec',
          'namespaces',
          'nodes',
          'nodes/proxy',
          'widgets.example.com',
          'selfsubjectreviews.authentication.k8s.io',
        ),
        fc.constantFrom('dev/web-1', 'dev/', 'prod/web-1', 'prod/', '/', '/dev'),
      )
      .map((words) => parseRequest(words.join(' '))),
    fc
      .constantFrom('/version', '/metrics', '/')
      .map((path) =>
        attributes({ isResourceRequest: false, verb: 'get', resource: '', namespace: '', path }),
      ),
  );
  const user = fc.constantFrom(
    { name: 'alice', traits: {} },
    { name: 'alice', traits: { team: ['web'], env: ['dev'] } },
    { name: 'system:bob', traits: { env: ['*'] } },
  );
  const impersonate = fc.constantFrom({}, {}, { groups: ['g1'] }, { user: ['one'] }, { user: ['alice'] });
  const question = fc.record({ user, roles, cluster: fc.constant(cluster), request, impersonate });

  test('decides as the decision does, and its rules and roles bear that out', () => {
    fc.assert(
      fc.property(question, (asked) => {
        const { decision, basis, decidedBy, nearest, roles: each } = explainKubeAccess(asked);
        expect(decision).toEqual(decideKubeAccess(asked));
        const selected = each.filter((one) => one.cluster === 'selected').map(({ name }) => name);
        if (decision.allowed) {
          const allowing = basis === 'open' ? selected : [...new Set(decidedBy.map((one) => one.role))];
          expect(allowing).toEqual(decision.roles);
          expect(decidedBy.every(({ side }) => side === 'allow')).toBe(true);
        } else {
          const isDenied = decision.code === 'access.resource_denied';
          expect(decidedBy.length > 0 && decidedBy.every(({ side }) => side === 'deny')).toBe(
            isDenied && decidedBy.length > 0,
          );
          if (isDenied) expect(decidedBy).not.toEqual([]);
          if (
            ['access.resource_not_allowed', 'access.verb_not_allowed', 'access.path_not_allowed'].includes(
              decision.code,
            )
          ) {
            expect(nearest.every(({ differs }) => differs.length > 0)).toBe(true);
          }
          if (decision.code === 'access.cluster_denied')
            expect(each.some((one) => one.cluster === 'refused')).toBe(true);
          if (decision.code === 'access.labels_do_not_match') expect(selected).toEqual([]);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('names roles without which an allowed request is not allowed', () => {
    let seen = 0;
    fc.assert(
      fc.property(question, (asked) => {
        const { decision, decidedBy, basis } = explainKubeAccess(asked);
        if (!decision.allowed || basis !== 'rules') return;
        seen += 1;
        const named = new Set(decidedBy.map((one) => one.role));
        const without = asked.roles.filter(({ metadata }) => !named.has(metadata.name));
        expect(decideKubeAccess({ ...asked, roles: without }).allowed).toBe(false);
      }),
      { numRuns: 4000 },
    );
    expect(seen).toBeGreaterThan(10);
  });

  test('names denials without which a denied request is not denied for that', () => {
    let seen = 0;
    fc.assert(
      fc.property(question, (asked) => {
        const { decision, decidedBy } = explainKubeAccess(asked);
        if (decision.allowed || decision.code !== 'access.resource_denied') return;
        seen += 1;
        const spared = asked.roles.map((one) => withoutRules(one, decidedBy));
        const next = decideKubeAccess({ ...asked, roles: spared });
        expect(next.allowed || next.code !== 'access.resource_denied').toBe(true);
      }),
      { numRuns: 4000 },
    );
    expect(seen).toBeGreaterThan(10);
  });

  function withoutRules(
    one: Role,
    rules: readonly { readonly role: string; readonly index?: number }[],
  ): Role {
    const gone = new Set(rules.filter((each) => each.role === one.metadata.name).map(({ index }) => index));
    const kept = (one.spec.deny.kubernetes_resources ?? []).filter((_, index) => !gone.has(index));
    return { ...one, spec: { ...one.spec, deny: { ...one.spec.deny, kubernetes_resources: kept } } };
  }
});
