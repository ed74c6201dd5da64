import { describe, expect, test } from 'vitest';
import { explainMissing, maxSessionTtlMs, mayRule } from './admin-rules.ts';
import { role } from './testing.ts';

const withRules = (name: string, allow: unknown[], deny: unknown[] = []) =>
  role(name, 'v7', { allow: { rules: allow }, deny: { rules: deny } });
const kubeManager = withRules('kube-manager', [
  { resources: ['kube_cluster'], verbs: ['list', 'create', 'read', 'update', 'delete'] },
]);

describe('an administrative rule', () => {
  test.each([
    ['allows a verb it names', kubeManager, 'kube_cluster', 'create', true],
    ['does not allow another verb', kubeManager, 'kube_cluster', 'rotate', false],
    ['does not allow another kind', kubeManager, 'role', 'read', false],
    ['does not allow a kind that begins so', kubeManager, 'kube_cluster2', 'read', false],
    [
      'for a role is not for users',
      withRules('r', [{ resources: ['role'], verbs: ['*'] }]),
      'user',
      'read',
      false,
    ],
    ['that reads also reads without secrets', kubeManager, 'kube_cluster', 'readnosecrets', true],
    [
      'that reads without secrets does not read',
      withRules('r', [{ resources: ['*'], verbs: ['readnosecrets'] }]),
      'token',
      'read',
      false,
    ],
    [
      'that reads without secrets reads without secrets',
      withRules('r', [{ resources: ['*'], verbs: ['readnosecrets'] }]),
      'token',
      'readnosecrets',
      true,
    ],
    [
      'that reads does not list',
      withRules('r', [{ resources: ['*'], verbs: ['read'] }]),
      'token',
      'list',
      false,
    ],
    [
      'for * is for every kind',
      withRules('r', [{ resources: ['*'], verbs: ['list'] }]),
      'anything',
      'list',
      true,
    ],
    [
      'with * is for every verb',
      withRules('r', [{ resources: ['token'], verbs: ['*'] }]),
      'token',
      'anything',
      true,
    ],
    ['distinguishes case', withRules('r', [{ resources: ['Role'], verbs: ['*'] }]), 'role', 'read', false],
    [
      'allows across two entries',
      withRules('r', [
        { resources: ['role'], verbs: ['read'] },
        { resources: ['user'], verbs: ['list'] },
      ]),
      'user',
      'list',
      true,
    ],
    [
      'does not mix two entries',
      withRules('r', [
        { resources: ['role'], verbs: ['read'] },
        { resources: ['user'], verbs: ['list'] },
      ]),
      'user',
      'read',
      false,
    ],
    ['that is absent allows nothing', withRules('r', []), 'role', 'read', false],
  ])('%s', (_, ...[only, kind, verb, expected]) => {
    expect(mayRule([only], kind, verb)).toBe(expected);
  });

  const editor = withRules('editor', [{ resources: ['*'], verbs: ['*'] }]);
  test.each([
    ['denies its verb', [{ resources: ['role'], verbs: ['update'] }], 'role', 'update', false],
    ['leaves other verbs', [{ resources: ['role'], verbs: ['update'] }], 'role', 'read', true],
    ['leaves other kinds', [{ resources: ['role'], verbs: ['*'] }], 'user', 'read', true],
    ['with * denies every verb', [{ resources: ['role'], verbs: ['*'] }], 'role', 'rotate', false],
    ['for * denies every kind', [{ resources: ['*'], verbs: ['delete'] }], 'token', 'delete', false],
    [
      'of read denies readnosecrets',
      [{ resources: ['token'], verbs: ['read'] }],
      'token',
      'readnosecrets',
      false,
    ],
    [
      'of readnosecrets denies read',
      [{ resources: ['token'], verbs: ['readnosecrets'] }],
      'token',
      'read',
      false,
    ],
  ])('on the deny side %s, in any order of roles', (_, ...[rules, kind, verb, expected]) => {
    const denying = withRules('denying', [], rules);
    expect(mayRule([editor, denying], kind, verb)).toBe(expected);
    expect(mayRule([denying, editor], kind, verb)).toBe(expected);
  });

  test('of no role allows nothing', () => {
    expect(mayRule([], 'role', 'read')).toBe(false);
  });

  test('that is missing is explained with the roles considered', () => {
    expect(explainMissing([kubeManager], 'role', 'read')).toBe(
      'access denied to perform action "read" on "role": none of the roles kube-manager has a rule that allows it',
    );
    expect(explainMissing([], 'role', 'read')).toContain('none of the roles (none)');
  });

  test('that denies is named in the explanation', () => {
    const denying = withRules('no-roles', [], [{ resources: ['role'], verbs: ['*'] }]);
    expect(explainMissing([kubeManager, denying], 'role', 'read')).toContain(
      'denied by a rule of role no-roles',
    );
  });
});

describe('the longest certificate life', () => {
  const ttl = (max: string) => ({
    ...kubeManager,
    spec: { ...kubeManager.spec, options: { max_session_ttl: max } },
  });

  test.each([
    ['is thirty hours where nothing is said', [kubeManager], 108_000_000],
    ['is the shortest of all roles', [ttl('8h0m0s'), kubeManager, ttl('1h0m0s')], 3_600_000],
    ['is unknown without roles', [], undefined],
  ])('%s', (_, roles, expected) => {
    expect(maxSessionTtlMs(roles)).toBe(expected);
  });
});
