import { describe, expect, test } from 'vitest';
import { coversLabels, coversPattern, coversRule, mayMeet, takesFrom } from './covering.ts';

describe('a pattern', () => {
  test.each([
    ['*', '^.*$', true],
    ['*', '{{internal.x}}', true],
    ['web-*', 'web-1', true],
    ['web-*', 'web-*', true],
    ['web-*', 'web-a*', true],
    ['web-*', 'we*', false],
    ['web-*', '*', false],
    ['web-*', '{{internal.x}}', false],
    ['^web-[0-9]$', 'web-1', true],
    ['^web-[0-9]$', 'web-*', false],
    ['^web-[0-9]$', '^web-[0-9]$', true],
    ['^web-[0-9]$', '^web-1$', false],
    ['web-1', 'web-1', true],
    ['web-1', 'web-10', false],
  ] as const)('%s covers %s: %s', (wide, narrow, covers) => {
    expect(coversPattern(wide, narrow)).toBe(covers);
  });

  test.each([
    ['web-*', 'web-1', true],
    ['web-*', 'db-1', false],
    ['web-*', 'db-*', false],
    ['web-*', 'we*', true],
    ['a', 'b', false],
    ['a', '^[b-c]$', false],
    ['^a$', '^b$', true],
    ['a', '{{internal.x}}', true],
  ] as const)('%s may meet %s: %s', (a, b, meets) => {
    expect([mayMeet(a, b), mayMeet(b, a)]).toEqual([meets, meets]);
  });
});

describe('a rule', () => {
  const pods = { kind: 'pods', apiGroup: '', namespace: 'dev', name: '*', verbs: ['get', 'list'] };

  test.each([
    [{}, true],
    [{ kind: '*' }, true],
    [{ kind: 'secrets' }, false],
    [{ namespace: '*' }, true],
    [{ namespace: 'd*' }, true],
    [{ namespace: '' }, false],
    [{ name: 'web-*' }, false],
    [{ verbs: ['*'] }, true],
    [{ verbs: ['get'] }, false],
    [{ verbs: ['get', 'list', 'watch'] }, true],
    [{ apiGroup: 'apps' }, false],
  ])('with %j covers one for pods in dev: %s', (part, covers) => {
    expect(coversRule({ ...pods, ...part }, pods)).toBe(covers);
  });

  test('for every namespace needs a rule that says so', () => {
    const everywhere = { ...pods, namespace: '*' };
    expect(coversRule({ ...pods, namespace: '^.+$' }, everywhere)).toBe(false);
    expect(coversRule(everywhere, { ...pods, namespace: '' })).toBe(true);
  });

  test.each([
    [{ verbs: ['delete'] }, false],
    [{ kind: 'secrets' }, false],
    [{ kind: '*', verbs: ['*'] }, true],
    [{ kind: '*', name: 'dev' }, true],
    [{ kind: 'namespaces', namespace: '' }, true],
    [{ namespace: 'prod' }, false],
    [{ name: 'web-1' }, true],
  ])('that denies with %j takes from one for pods in dev: %s', (part, takes) => {
    expect(takesFrom({ ...pods, ...part }, pods)).toBe(takes);
  });
});

describe('labels', () => {
  test.each([
    [{ '*': ['*'] }, {}, true],
    [{ env: ['dev'] }, { env: ['dev'], team: ['a'] }, true],
    [{ env: ['dev'] }, { team: ['a'] }, false],
    [{ env: ['*'] }, { env: ['dev', 'prod'] }, true],
    [{ env: ['dev'] }, { env: ['dev', 'prod'] }, false],
    [{ env: ['dev'] }, { '*': ['*'] }, false],
  ])('%j cover %j: %s', (wide, narrow, covers) => {
    expect(coversLabels(wide, narrow)).toBe(covers);
  });
});
