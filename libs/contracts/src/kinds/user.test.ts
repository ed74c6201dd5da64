import { describe, expect, test } from 'vitest';
import { discoveryConfigKind } from './discovery-config.ts';
import { userKind } from './user.ts';

const ctx = { now: new Date('2026-01-01T00:00:00Z') };
const user = (spec: unknown) =>
  userKind.normalize({ kind: 'user', metadata: { name: 'alice' }, spec }, ctx).spec;
const discovery = (spec: unknown) =>
  discoveryConfigKind.normalize({ kind: 'discovery_config', metadata: { name: 'd' }, spec }, ctx).spec;

describe('a user', () => {
  test('has each role once, in the order given', () => {
    expect(user({ roles: ['b', 'a', 'b'] })).toEqual({ roles: ['b', 'a'], traits: {} });
  });

  test('as other releases print it is accepted', () => {
    const spec = {
      roles: ['access'],
      traits: { kubernetes_groups: ['viewers'], logins: null },
      expires: '0001-01-01T00:00:00Z',
      status: { is_locked: false, lock_expires: '0001-01-01T00:00:00Z' },
      created_by: { time: '2026-01-01T00:00:00Z', user: { name: 'system' } },
    };
    expect(() => user(spec)).not.toThrow();
  });

  test('may be locked', () => {
    expect(user({ status: { is_locked: true } }).status).toEqual({ is_locked: true });
  });

  const cases: [spec: unknown, why: string][] = [
    [{ roles: 'admin' }, 'spec.roles must be a list'],
    [{ roles: [''] }, 'spec.roles holds an empty'],
    [{ roles: [{}] }, 'spec.roles[0] must be a string'],
    [{ traits: { kubernetes_groups: 'system:masters' } }, 'must be a list'],
    [{ traits: { 'a b': [] } }, 'invalid trait name'],
    [{ expires: 'tomorrow' }, 'spec.expires must be a time'],
    [{ status: { is_locked: 'no' } }, 'spec.status.is_locked must be true or false'],
    [{ rolse: [] }, 'unknown field "spec.rolse"'],
  ];
  test.each(cases)('with %j is refused', (spec, why) => {
    expect(() => user(spec)).toThrow(why);
  });
});

describe('a discovery_config', () => {
  test('keeps its matchers', () => {
    const aws = [{ types: ['eks'], regions: ['*'], tags: { '*': '*' } }];
    expect(discovery({ discovery_group: 'prod', aws })).toEqual({
      discovery_group: 'prod',
      aws,
      azure: [],
      gcp: [],
      kube: [],
    });
  });

  test('without a group is refused', () => {
    expect(() => discovery({ aws: [] })).toThrow('must have a discovery group');
  });

  test('with a matcher of no type is refused', () => {
    expect(() => discovery({ discovery_group: 'a', aws: [{ regions: ['*'] }] })).toThrow(
      'spec.aws[0].types must name at least one type',
    );
  });
});
