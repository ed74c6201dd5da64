import { describe, expect, test } from 'vitest';
import { sha256Hex } from '@postern/core';
import { lockedToken, lockKind, lockTargetOf } from './lock.ts';

const ctx = { now: new Date('2026-01-01T00:00:00Z') };
const lock = (spec: unknown, metadata: Record<string, unknown> = {}) =>
  lockKind.normalize({ kind: 'lock', metadata: { name: 'l1', ...metadata }, spec }, ctx);

const hashed = `sha256:${sha256Hex('canary-token')}`;

describe('a lock', () => {
  test('on a token keeps the hash of its name, by which it is found (J-16)', () => {
    const whole = lock({ target: { join_token: 'canary-token' } });
    expect(whole.spec).toEqual({ target: { join_token: hashed } });
    expect(lockTargetOf(whole.spec)).toEqual(lockedToken(sha256Hex('canary-token')));
    expect(lockKind.normalize(whole, ctx)).toEqual(whole);
  });

  test.each([
    [{ user: 'alice' }, 'user', 'alice'],
    [{ role: 'dev', user: '' }, 'role', 'dev'],
    [{ session: '0198c0de' }, 'session', '0198c0de'],
    [{ server_id: 'a1' }, 'server_id', 'a1'],
    [{ kube_cluster: 'prod' }, 'kube_cluster', 'prod'],
    [{ join_token: hashed }, 'join_token', hashed],
  ])('of %j is on one thing', (target, field, value) => {
    const { spec, version } = lock({ target, message: 'on leave' });
    expect(lockTargetOf(spec)).toEqual({ field, value });
    expect(spec).toEqual({ target: { [field]: value }, message: 'on leave' });
    expect(version).toBe('v2');
  });

  test.each([
    [{ expires: '2026-02-01T01:00:00+01:00' }, {}],
    [{}, { expires: '2026-02-01T00:00:00Z' }],
    [{ expires: '2027-01-01T00:00:00Z' }, { expires: '2026-02-01T00:00:00Z' }],
  ])('ends at the earliest time that it names: %j %j', (spec, metadata) => {
    const whole = lock({ target: { user: 'alice' }, ...spec }, metadata);
    expect(whole.metadata.expires).toBe('2026-02-01T00:00:00.000Z');
    expect(whole.spec.expires).toBe('2026-02-01T00:00:00.000Z');
    expect(lockKind.normalize(whole, ctx)).toEqual(whole);
  });

  test('as other releases print it is accepted', () => {
    const spec = { target: { user: 'alice' }, created_at: '2026-01-01T00:00:00Z', created_by: 'admin' };
    expect(lock(spec).spec).toEqual({ target: { user: 'alice' } });
  });

  test.each<[unknown, string]>([
    [{}, 'spec.target must name one of'],
    [{ target: {} }, 'spec.target must name one of'],
    [{ target: { user: 'alice', role: 'dev' } }, 'make a lock for each'],
    [{ target: { login: 'root' } }, 'spec.target.login would lock nothing here'],
    [{ target: { mfa_device: 'x', user: 'alice' } }, 'spec.target.mfa_device would lock nothing here'],
    [{ target: { usre: 'alice' } }, 'unknown field "spec.target.usre"'],
    [{ target: { user: 'a\nb' } }, 'holds a control character'],
    [{ target: { join_token: '****abcd' } }, 'spec.target.join_token is masked'],
    [{ target: { join_token: 'sha256:ABC' } }, '64 hexadecimal digits'],
    [{ target: { user: 7 } }, 'spec.target.user must be a string'],
    [{ target: { user: 'alice' }, message: 'a\nb' }, 'spec.message must be one line'],
    [{ target: { user: 'alice' }, expires: 'tomorrow' }, 'spec.expires must be a time'],
    [{ target: { user: 'alice' }, expire: '' }, 'unknown field "spec.expire"'],
  ])('with %j is refused', (spec, why) => {
    expect(() => lock(spec)).toThrow(why);
  });
});
