import type { Role } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import type { KubeAccessRequest } from './decide-access.ts';
import { explainKubeAccess } from './explain-access.ts';
import { access, attributes, groupRole, role, rule } from './testing.ts';

const explain = (roles: readonly Role[], request: string, part: Partial<KubeAccessRequest> = {}) =>
  explainKubeAccess(access(roles, request, part));

const podsInDev = rule({ kind: 'pods', api_group: '', namespace: 'dev', verbs: ['get', 'list'] });
const viewer = groupRole('viewer', 'v8', { kubernetes_resources: [rule({ kind: 'secrets' }), podsInDev] });

describe('an explanation', () => {
  test('of what is allowed names the rule and where it is written', () => {
    const { decision, basis, decidedBy } = explain([viewer], 'get pods dev/web');
    expect(decision.allowed).toBe(true);
    expect(basis).toBe('rules');
    expect(decidedBy).toEqual([
      {
        role: 'viewer',
        side: 'allow',
        index: 1,
        rule: { kind: 'pods', apiGroup: '', namespace: 'dev', name: '*', verbs: ['get', 'list'] },
      },
    ]);
  });

  test('of what is denied names the rule that denies, not those that would allow', () => {
    const denying = groupRole(
      'careful',
      'v8',
      {},
      { kubernetes_resources: [rule({ kind: 'pods', api_group: '', name: 'web*' })] },
    );
    const { decidedBy, roles } = explain([viewer, denying], 'get pods dev/web');
    expect(decidedBy).toMatchObject([{ role: 'careful', side: 'deny', index: 0 }]);
    expect(roles.map(({ name, says }) => [name, says])).toEqual([
      ['careful', 'denies'],
      ['viewer', 'allows'],
    ]);
  });

  test.each([
    ['delete pods dev/web', [['verbs']]],
    ['get pods prod/web', [['namespace']]],
    ['delete pods prod/web', [['verbs', 'namespace']]],
    ['get deployments.apps dev/web', [['kind', 'apiGroup']]],
  ])('of %s, which no rule allows, says what comes closest', (request, differs) => {
    const only = groupRole('viewer', 'v8', { kubernetes_resources: [podsInDev] });
    const { decidedBy, nearest } = explain([only], request);
    expect(decidedBy).toEqual([]);
    expect(nearest.map((miss) => miss.differs)).toEqual(differs);
  });

  test('says that a role would allow it if it selected the cluster', () => {
    const elsewhere = groupRole('elsewhere', 'v8', {
      kubernetes_labels: { env: 'prod' },
      kubernetes_resources: [podsInDev],
    });
    const here = groupRole('here', 'v8', {
      kubernetes_resources: [rule({ kind: 'nodes', api_group: '', namespace: '' })],
    });
    const { nearest, roles } = explain([elsewhere, here], 'get pods dev/web');
    expect(nearest[0]).toMatchObject({ role: 'elsewhere', differs: ['labels'] });
    expect(roles[0]).toMatchObject({
      cluster: 'not_selected',
      reason: "kubernetes_labels: no value match: got 'dev' want: '[prod]'",
    });
  });

  test.each<[string, object, string]>([
    ['without labels', { kubernetes_labels: {} }, 'kubernetes_labels is empty: it selects no cluster'],
    [
      'with a label that is missing',
      { kubernetes_labels: { team: 'x' } },
      "kubernetes_labels: no key match: 'team'",
    ],
    [
      'with an expression',
      { kubernetes_labels_expression: 'labels["env"] == "prod"', kubernetes_labels: { '*': '*' } },
      'kubernetes_labels_expression does not match',
    ],
  ])('says why a role %s does not select the cluster', (_, allow, reason) => {
    expect(explain([groupRole('r', 'v8', allow)], 'get pods dev/web').roles).toMatchObject([
      { cluster: 'not_selected', reason },
    ]);
  });

  test('names the role whose deny side refuses the cluster', () => {
    const refusing = role('refusing', 'v8', { deny: { kubernetes_labels: { env: 'dev' } } });
    const { decision, basis, roles } = explain([viewer, refusing], 'get pods dev/web');
    expect(decision).toMatchObject({ code: 'access.cluster_denied' });
    expect(basis).toBe('cluster');
    expect(roles.map((each) => each.cluster)).toEqual(['refused', 'selected']);
  });

  test('of a list says which denials take something out of it', () => {
    const one = rule({ kind: 'pods', api_group: '', name: 'db' });
    const hiding = role('hiding', 'v8', { deny: { kubernetes_resources: [one] } });
    const { decision, decidedBy, limitedBy } = explain([viewer, hiding], 'list pods dev/');
    expect(decision).toMatchObject({ allowed: true, rules: { deny: [{ names: ['db'] }] } });
    expect(decidedBy).toMatchObject([{ role: 'viewer', index: 1 }]);
    expect(limitedBy).toMatchObject([{ role: 'hiding', side: 'deny', index: 0 }]);
  });

  test('of a refused impersonation says which users and groups there are', () => {
    const { basis, principals } = explain([viewer], 'get pods dev/web', {
      impersonate: { groups: ['admins'] },
    });
    expect(basis).toBe('principals');
    expect(principals).toEqual({ users: [], groups: ['viewers'] });
  });

  test('of discovery and of a review of oneself says that they are open', () => {
    const path = attributes({ isResourceRequest: false, resource: '', namespace: '', path: '/version' });
    expect(explainKubeAccess(access([viewer], path)).basis).toBe('open');
    expect(explain([viewer], 'create selfsubjectaccessreviews.authorization.k8s.io').basis).toBe('open');
  });

  test('finds the written rule behind one of an older version', () => {
    const old = groupRole('old', 'v7', {
      kubernetes_resources: [
        { kind: 'secret', namespace: 'x', name: 'x', verbs: ['*'] },
        { kind: 'namespace', name: 'dev', verbs: ['get'] },
      ],
    });
    expect(explain([old], 'get pods dev/web').decidedBy).toMatchObject([
      { index: 1, rule: { namespace: 'dev' } },
    ]);
    const oldest = groupRole('oldest', 'v6', {
      kubernetes_resources: [{ kind: 'pod', namespace: 'dev', name: 'x' }],
    });
    expect(explain([oldest], 'get secrets prod/x').decidedBy).toMatchObject([
      { role: 'oldest', rule: { kind: 'secrets' } },
    ]);
    expect(explain([oldest], 'get secrets prod/x').decidedBy[0]).not.toHaveProperty('index');
  });

  test('of a request full of patterns is given, too', () => {
    const hostile = attributes({ name: '^(', namespace: '^[$', apiGroup: '*(', resource: '__proto__' });
    expect(explainKubeAccess(access([viewer], hostile)).decision.allowed).toBe(false);
  });

  test('of ten thousand rules names those that come closest', () => {
    const many = Array.from({ length: 10_000 }, (_, at) =>
      rule({ kind: 'pods', api_group: '', namespace: `n${at}`, name: `x${at}` }),
    );
    const { nearest } = explain(
      [groupRole('many', 'v8', { kubernetes_resources: many })],
      'get pods dev/web',
    );
    expect(nearest).toHaveLength(5);
  });
});
