import { type KubernetesResource, kubeVerbs, type RoleVersion } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { allowRules, denyRules } from './role-versions.ts';

const pods: KubernetesResource = { kind: 'pod', namespace: '*', name: '*', verbs: ['*'] };
const everything = { kind: '*', apiGroup: '*', namespace: '*', name: '*', verbs: ['*'] };

describe('a role up to v6', () => {
  const old: RoleVersion[] = ['v3', 'v4', 'v5', 'v6'];

  test.each(old)('of version %s with one rule for all pods allows everything', (version) => {
    expect(allowRules(version, [pods], {})).toEqual([everything]);
  });

  test.each(old)('of version %s with other pod rules allows every other kind it knows', (version) => {
    const rules = allowRules(version, [{ ...pods, namespace: 'dev' }], {});
    expect(rules[0]).toEqual({ kind: 'pods', apiGroup: '', namespace: 'dev', name: '*', verbs: ['*'] });
    expect(rules).toHaveLength(21);
    expect(rules.filter((rule) => rule.kind === 'pods')).toHaveLength(1);
    expect(
      rules.slice(1).every((rule) => rule.namespace === '*' && rule.name === '*' && rule.verbs === kubeVerbs),
    ).toBe(true);
    expect(rules.some((rule) => rule.kind === '*')).toBe(false);
  });

  test('with two rules, one of them for all pods, allows no unknown kinds', () => {
    expect(
      allowRules('v5', [pods, { ...pods, namespace: 'dev' }], {}).some((rule) => rule.kind === '*'),
    ).toBe(false);
  });

  test('of version v6 without rules allows no pods', () => {
    const rules = allowRules('v6', [], {});
    expect(rules.some((rule) => rule.kind === 'pods' || rule.kind === '*')).toBe(false);
    expect(rules).toHaveLength(20);
  });

  test('denies pods as written and nothing else', () => {
    expect(denyRules('v6', [{ ...pods, namespace: 'dev' }], {})).toEqual([
      { kind: 'pods', apiGroup: '*', namespace: 'dev', name: '*', verbs: ['*'] },
    ]);
  });
});

describe('a role of version v7', () => {
  test.each([
    ['pod', 'pods', ''],
    ['secret', 'secrets', ''],
    ['configmap', 'configmaps', ''],
    ['service', 'services', ''],
    ['serviceaccount', 'serviceaccounts', ''],
    ['persistentvolumeclaim', 'persistentvolumeclaims', ''],
    ['deployment', 'deployments', 'apps'],
    ['replicaset', 'replicasets', 'apps'],
    ['statefulset', 'statefulsets', 'apps'],
    ['daemonset', 'daemonsets', 'apps'],
    ['kube_role', 'roles', 'rbac.authorization.k8s.io'],
    ['rolebinding', 'rolebindings', 'rbac.authorization.k8s.io'],
    ['cronjob', 'cronjobs', 'batch'],
    ['job', 'jobs', 'batch'],
    ['ingress', 'ingresses', 'networking.k8s.io'],
  ])('calls %s what v8 calls %s of group %j', (kind, plural, apiGroup) => {
    const resource = { kind, namespace: 'dev', name: 'x', verbs: ['get'] };
    expect(allowRules('v7', [resource], {})).toEqual([{ ...resource, kind: plural, apiGroup }]);
    expect(denyRules('v7', [resource], {})).toEqual([{ ...resource, kind: plural, apiGroup: '*' }]);
  });

  test.each([
    ['kube_node', 'nodes', ''],
    ['persistentvolume', 'persistentvolumes', ''],
    ['clusterrole', 'clusterroles', 'rbac.authorization.k8s.io'],
    ['clusterrolebinding', 'clusterrolebindings', 'rbac.authorization.k8s.io'],
    ['certificatesigningrequest', 'certificatesigningrequests', 'certificates.k8s.io'],
  ])('drops the namespace of the cluster-wide %s', (kind, plural, apiGroup) => {
    expect(allowRules('v7', [{ kind, namespace: 'dev', name: 'x', verbs: ['get'] }], {})).toEqual([
      { kind: plural, apiGroup, namespace: '', name: 'x', verbs: ['get'] },
    ]);
  });

  test('takes a namespace for everything in it and for itself', () => {
    expect(allowRules('v7', [{ kind: 'namespace', name: 'dev', verbs: ['get'] }], {})).toEqual([
      { kind: '*', apiGroup: '*', namespace: 'dev', name: '*', verbs: ['get'] },
      { kind: 'namespaces', apiGroup: '', namespace: '', name: 'dev', verbs: ['get'] },
    ]);
  });

  test('takes every namespace for what is in namespaces, and not for what is in none', () => {
    expect(allowRules('v7', [{ kind: 'namespace', name: '*', verbs: ['get'] }], {})[0]?.namespace).toBe(
      '^.+$',
    );
  });

  test('lets the kind * in some namespaces reach cluster-wide kinds but namespaces', () => {
    const rules = allowRules('v7', [{ kind: '*', namespace: 'dev', name: '*', verbs: ['get'] }], {});
    expect(rules[0]).toMatchObject({ kind: '*', apiGroup: '*', namespace: 'dev' });
    expect(rules.slice(1).map((rule) => rule.kind)).toEqual([
      'nodes',
      'persistentvolumes',
      'clusterroles',
      'clusterrolebindings',
      'certificatesigningrequests',
    ]);
    expect(rules.slice(1).every((rule) => rule.namespace === '')).toBe(true);
  });

  test('does not let the kind * in some namespaces reach the proxy of nodes', () => {
    const rules = allowRules('v7', [{ kind: '*', namespace: 'dev', name: '*', verbs: ['*'] }], {});
    expect(rules[0]?.verbs).toEqual(['*']);
    expect(rules.slice(1).every((rule) => rule.verbs === kubeVerbs)).toBe(true);
  });

  test('needs nothing more for the kind * in every namespace', () => {
    expect(allowRules('v7', [{ ...pods, kind: '*' }], {})).toEqual([everything]);
  });

  test('keeps rules without verbs without verbs', () => {
    expect(allowRules('v7', [{ ...pods, verbs: [] }], {})[0]?.verbs).toEqual([]);
  });
});

describe('a role of version v8', () => {
  test('is used as written', () => {
    const written = { kind: 'pods', api_group: '', namespace: 'dev', name: 'web-*', verbs: ['get'] };
    expect(allowRules('v8', [written], {})).toEqual([
      { kind: 'pods', apiGroup: '', namespace: 'dev', name: 'web-*', verbs: ['get'] },
    ]);
    expect(denyRules('v8', [written], {})[0]?.apiGroup).toBe('');
  });

  test('does not let the kind * reach cluster-wide kinds', () => {
    expect(
      allowRules('v8', [{ kind: '*', api_group: '*', namespace: 'dev', name: '*', verbs: ['*'] }], {}),
    ).toHaveLength(1);
  });
});

describe('templates in rules', () => {
  const traits = { team: ['red', 'blue'], verbs: ['get', 'list', '*', 'nonsense'] };

  test('multiply the rule', () => {
    const rules = allowRules(
      'v8',
      [{ kind: 'pods', namespace: '{{external.team}}', name: '*', verbs: ['get'] }],
      traits,
    );
    expect(rules.map((rule) => rule.namespace)).toEqual(['red', 'blue']);
  });

  test('drop the rule when the trait is missing', () => {
    expect(
      allowRules('v8', [{ kind: 'pods', namespace: '{{external.no}}', name: '*', verbs: ['get'] }], traits),
    ).toEqual([]);
  });

  test('give verbs, but never all of them', () => {
    const written = [{ kind: 'pods', namespace: '*', name: '*', verbs: ['{{external.verbs}}'] }];
    expect(allowRules('v8', written, traits)[0]?.verbs).toEqual(['get', 'list']);
  });

  test('may give all verbs to deny', () => {
    const written = [{ kind: 'pods', namespace: '*', name: '*', verbs: ['{{external.verbs}}'] }];
    expect(denyRules('v8', written, traits)[0]?.verbs).toContain('*');
  });
});
