import type { ViewEntry } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { type PolicyChange, PolicyTables } from './policy.ts';

type Stored = NonNullable<ViewEntry['resource']>;

const role = (name: string, groups: string[] = ['g']): Stored => ({
  kind: 'role',
  version: 'v8',
  metadata: { name },
  spec: { allow: { kubernetes_labels: { '*': '*' }, kubernetes_groups: groups } },
});
const user = (name: string, spec: Record<string, unknown>, metadata: { expires?: string } = {}): Stored => ({
  kind: 'user',
  version: 'v2',
  metadata: { name, ...metadata },
  spec: { roles: ['a', 'b'], ...spec },
});

function tables(...resources: Stored[]) {
  const clock = { now: new Date('2026-01-01T00:00:00Z') };
  const unreadable: string[] = [];
  const policy = new PolicyTables({
    clock: () => clock.now,
    onUnreadable: (kind, id) => unreadable.push(`${kind}/${id}`),
  });
  const apply = (resource: Stored) =>
    policy.apply({ kind: resource.kind, id: resource.metadata.name, resource });
  for (const resource of resources) apply(resource);
  const rolesOf = (name: string) => policy.rolesOf(policy.user(name)!).map((one) => one.metadata.name);
  return { policy, clock, unreadable, apply, rolesOf };
}

const lock = (
  name: string,
  target: Record<string, string>,
  spec: { message?: string; expires?: string } = {},
): Stored => ({ kind: 'lock', version: 'v2', metadata: { name }, spec: { target, ...spec } });

describe('locks of a live policy', () => {
  test.each<[string, Record<string, string>]>([
    ['the user', { user: 'alice' }],
    ['a role of the user', { role: 'b' }],
  ])('on %s leave no roles, and go away again', (_, target) => {
    const { policy, rolesOf, apply } = tables(role('a'), role('b'), user('alice', {}));
    apply(lock('l1', target, { message: 'on leave' }));
    expect(policy.lockOn({ user: policy.user('alice') })).toMatchObject({ message: 'on leave' });
    expect(rolesOf('alice')).toEqual([]);
    policy.apply({ kind: 'lock', id: 'l1' });
    expect(policy.lockOn({ user: policy.user('alice') })).toBeUndefined();
    expect(rolesOf('alice')).toEqual(['a', 'b']);
  });

  test('on a session, a cluster or an agent are on nothing else', () => {
    const { policy, rolesOf } = tables(
      role('a'),
      user('alice', { roles: ['a'] }),
      lock('l1', { session: 's1' }),
      lock('l2', { kube_cluster: 'prod' }),
      lock('l3', { server_id: 'agent-1' }),
    );
    const alice = policy.user('alice');
    expect(rolesOf('alice')).toEqual(['a']);
    expect(policy.lockOn({ user: alice, session: 's2', cluster: 'dev' })).toBeUndefined();
    expect(policy.lockOn({ user: undefined, session: 's1' })?.target).toEqual({
      field: 'session',
      value: 's1',
    });
    expect(policy.lockOn({ user: alice, cluster: 'prod' })?.target.field).toBe('kube_cluster');
    expect(policy.lockOnAgent('agent-1')).toBeDefined();
    expect(policy.lockOnAgent('agent-2')).toBeUndefined();
  });

  test('on a token are on whoever joined by it', () => {
    const id = 'ab'.repeat(32);
    const { policy } = tables(
      lock('l1', { join_token: `sha256:${id}` }),
      lock('l2', { server_id: 'agent-1' }),
      lock('l3', { server_id: 'agent-1' }),
      lock('l4', { server_id: 'agent-9' }, { expires: '2020-01-01T00:00:00Z' }),
    );
    expect(policy.lockOnToken(id)?.target).toEqual({ field: 'join_token', value: `sha256:${id}` });
    expect(policy.lockOnToken('cd'.repeat(32))).toBeUndefined();
    expect(policy.lockOnAgent('agent-2', id)).toBeDefined();
    expect(policy.lockOnAgent('agent-2', 'cd'.repeat(32))).toBeUndefined();
    expect(policy.lockedAgents()).toEqual({ agentIds: ['agent-1'], tokenIds: [id] });
  });

  test('end by the clock alone, at whatever time it says (X-13)', () => {
    const { policy, clock, rolesOf } = tables(
      role('a'),
      user('alice', { roles: ['a'] }),
      lock('l1', { user: 'alice' }, { expires: '2026-01-01T01:00:00Z' }),
      lock('l2', { session: 's1' }),
    );
    expect(rolesOf('alice')).toEqual([]);
    clock.now = new Date('2036-01-01T00:00:00Z');
    expect(rolesOf('alice')).toEqual(['a']);
    expect(policy.lockOn({ user: undefined, session: 's1' })).toBeDefined();
    clock.now = new Date('2025-12-31T00:00:00Z');
    expect(rolesOf('alice')).toEqual([]);
  });

  test('of several the one with the first name counts, whatever came first', () => {
    const { policy } = tables(
      user('alice', {}),
      lock('l2', { user: 'alice' }, { message: 'second' }),
      lock('l1', { role: 'a' }, { message: 'first' }),
    );
    expect(policy.lockOn({ user: policy.user('alice') })?.message).toBe('first');
  });

  test('that now are on somebody else are off whom they were on', () => {
    const { rolesOf, apply } = tables(
      role('a'),
      user('alice', { roles: ['a'] }),
      user('bob', { roles: ['a'] }),
    );
    apply(lock('l1', { user: 'alice' }));
    apply(lock('l1', { user: 'bob' }));
    expect(rolesOf('alice')).toEqual(['a']);
    expect(rolesOf('bob')).toEqual([]);
  });

  test('affect those they are and were on', () => {
    const { policy, apply } = tables(user('alice', { roles: ['a'] }), user('bob', { roles: ['b'] }));
    const changes: PolicyChange[] = [];
    policy.onChange((change) => changes.push(change));
    apply(lock('l1', { user: 'alice' }));
    apply(lock('l1', { role: 'b' }));
    apply(lock('l2', { session: 's1' }));
    expect(changes.map((change) => ['alice', 'bob', 'eve'].filter((name) => change.affects(name)))).toEqual([
      ['alice'],
      ['alice', 'bob'],
      ['alice', 'bob', 'eve'],
    ]);
  });

  test('that cannot be read are told', () => {
    const { unreadable } = tables({ ...lock('l1', { user: 'alice' }), version: 'v99' });
    expect(unreadable).toEqual(['lock/l1']);
  });
});

describe('a live policy', () => {
  test('knows users with their roles and traits', () => {
    const { policy, rolesOf } = tables(role('a'), role('b'), user('alice', { traits: { team: ['x'] } }));
    expect(policy.user('alice')).toEqual({ name: 'alice', roles: ['a', 'b'], traits: { team: ['x'] } });
    expect(rolesOf('alice')).toEqual(['a', 'b']);
    expect(policy.user('bob')).toBeUndefined();
  });

  test('takes users before their roles', () => {
    const { rolesOf, apply } = tables(user('alice', {}));
    expect(rolesOf('alice')).toEqual([]);
    apply(role('b'));
    expect(rolesOf('alice')).toEqual(['b']);
  });

  test('follows a role that changes', () => {
    const { policy, apply } = tables(role('a', ['before']), user('alice', { roles: ['a'] }));
    const alice = policy.user('alice')!;
    const before = policy.rolesOf(alice);
    expect(policy.rolesOf(alice)).toBe(before);
    apply(role('a', ['after']));
    expect(policy.rolesOf(alice)[0]?.spec.allow.kubernetes_groups).toEqual(['after']);
    expect(before[0]?.spec.allow.kubernetes_groups).toEqual(['before']);
  });

  test('forgets a role that is removed', () => {
    const { policy, rolesOf } = tables(role('a'), role('b'), user('alice', {}));
    policy.apply({ kind: 'role', id: 'a' });
    expect(rolesOf('alice')).toEqual(['b']);
  });

  test('forgets a user that is removed, and gives the old one no roles any more', () => {
    const { policy } = tables(role('a'), user('alice', {}));
    const alice = policy.user('alice')!;
    policy.apply({ kind: 'user', id: 'alice' });
    expect(policy.user('alice')).toBeUndefined();
    expect(policy.rolesOf(alice)).toEqual([]);
  });

  test('gives the state of a user from before a change no roles', () => {
    const { policy, apply } = tables(role('a'), role('b'), user('alice', {}));
    const stale = policy.user('alice')!;
    apply(user('alice', { roles: ['b'] }));
    expect(policy.rolesOf(stale)).toEqual([]);
    expect(policy.rolesOf(policy.user('alice')!)).toHaveLength(1);
  });

  test('gives a locked user no roles', () => {
    const { policy, rolesOf, apply } = tables(
      role('a'),
      user('alice', { status: { is_locked: true, locked_message: 'on leave' } }),
    );
    expect(policy.user('alice')?.locked).toBe('on leave');
    expect(rolesOf('alice')).toEqual([]);
    apply(user('alice', { status: { is_locked: false } }));
    expect(rolesOf('alice')).toEqual(['a']);
  });

  test.each([
    ['the spec', user('alice', { expires: '2026-01-01T01:00:00Z' })],
    ['the metadata', user('alice', {}, { expires: '2026-01-01T01:00:00Z' })],
    [
      'the earlier of both',
      user('alice', { expires: '2026-01-01T01:00:00Z' }, { expires: '2027-01-01T00:00:00Z' }),
    ],
  ])('gives a user no roles after the time in %s', (_, alice) => {
    const { clock, rolesOf } = tables(role('a'), alice);
    expect(rolesOf('alice')).toEqual(['a']);
    clock.now = new Date('2026-01-01T01:00:00Z');
    expect(rolesOf('alice')).toEqual([]);
  });

  test('gives no roles at all to who has one that cannot be read, as its denials are unknown', () => {
    const { rolesOf, unreadable, apply } = tables(role('a'), user('alice', {}), {
      ...role('b'),
      version: 'v99',
    });
    expect(unreadable).toEqual(['role/b']);
    expect(rolesOf('alice')).toEqual([]);
    apply(role('b'));
    expect(rolesOf('alice')).toEqual(['a', 'b']);
  });

  test('does not know a user that cannot be read', () => {
    const { policy, unreadable } = tables(role('a'), user('alice', {}), {
      ...user('alice', {}),
      version: 'v99',
    });
    expect(unreadable).toEqual(['user/alice']);
    expect(policy.user('alice')).toBeUndefined();
  });

  test('ignores other kinds', () => {
    const { policy } = tables({ ...role('a'), kind: 'token' });
    expect(policy.user('a')).toBeUndefined();
  });

  test('tells whom a change affects, until asked to stop', () => {
    const { policy, apply } = tables(user('alice', { roles: ['a'] }), user('bob', { roles: ['b'] }));
    const changes: PolicyChange[] = [];
    const stop = policy.onChange((change) => changes.push(change));
    apply(role('a'));
    apply(user('bob', { roles: ['b', 'c'] }));
    stop();
    apply(role('b'));
    expect(changes.map(({ kind, id }) => `${kind}/${id}`)).toEqual(['role/a', 'user/bob']);
    expect(changes.map((change) => ['alice', 'bob', 'eve'].filter((name) => change.affects(name)))).toEqual([
      ['alice'],
      ['bob'],
    ]);
  });

  test('tells every listener of a change, also when one of them fails', () => {
    const { policy, apply, rolesOf } = tables(user('alice', { roles: ['a'] }));
    const heard: string[] = [];
    policy.onChange(() => {
      throw new Error('broken');
    });
    policy.onChange(({ id }) => heard.push(id));
    expect(() => apply(role('a'))).toThrow('a listener to policy changes failed');
    expect(heard).toEqual(['a']);
    expect(rolesOf('alice')).toEqual(['a']);
  });
});
