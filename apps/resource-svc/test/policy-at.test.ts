import { randomUUID } from 'node:crypto';
import type { PolicyAtReply } from '@postern/contracts';
import { openPolicy } from '@postern/policy';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startService, type TestService } from './support/service.ts';

let service: TestService;
const edgeId = randomUUID();

beforeAll(async () => {
  service = await startService();
  await service.joined(edgeId, ['Proxy']);
});

afterAll(() => service[Symbol.asyncDispose]());

async function put(kind: string, name: string, spec: Record<string, unknown>): Promise<void> {
  const version = kind === 'role' ? 'v8' : 'v2';
  const body = { kind, version, metadata: { name }, spec };
  const { status } = await service.as('admin')({
    method: 'PUT',
    path: `/v1/resources/${kind}/${name}`,
    body,
  });
  expect([200, 201]).toContain(status);
}

const reaching = (...groups: string[]) => ({
  allow: { kubernetes_labels: { '*': '*' }, kubernetes_groups: groups, kubernetes_resources: [] },
});

async function ask(query: Record<string, string>, as = 'admin') {
  const { status, body } = await service.as(as)({
    path: `/v1/history/policy?${new URLSearchParams(query).toString()}`,
  });
  return { status, body, policy: body as unknown as PolicyAtReply };
}

const groupsOf = ({ roles }: PolicyAtReply) =>
  roles.map(({ name, role }) => [
    name,
    (role as { spec: { allow: { kubernetes_groups: string[] } } }).spec.allow.kubernetes_groups,
  ]);

describe('the policy of a moment', () => {
  test('is found by the revision that an edge had then, after the bus has forgotten it', async () => {
    await put('role', 'dev', reaching('viewers'));
    await put('user', 'alice', { roles: ['dev'], traits: { team: ['a'] } });
    await using policy = openPolicy(service.bus, edgeId);
    await policy.ready;
    const seen: string[] = [];
    for (const groups of [['viewers'], ['admins'], ['auditors']]) {
      await put('role', 'dev', reaching(...groups));
      await expect
        .poll(() => policy.rolesOf(policy.user('alice')!).map(({ spec }) => spec.allow.kubernetes_groups), {
          timeout: 10_000,
        })
        .toEqual([groups]);
      seen.push(policy.revision());
    }
    const manager = await service.bus.connection.manager();
    await manager.streams.purge('EVT_RESOURCE');
    const { policy: found } = await ask({ user: 'alice', revision: seen[1]!, at: new Date().toISOString() });
    expect(found).toMatchObject({
      revision: seen[1],
      isExact: true,
      user: { name: 'alice', state: 'active', traits: { team: ['a'] }, roles: ['dev'] },
      roles: [{ name: 'dev', version: 2, actor: 'spiffe://postern/user/admin' }],
    });
    expect(groupsOf(found)).toEqual([['dev', ['admins']]]);
    expect((await ask({ user: 'alice' })).policy.revision).toBe(seen[2]);
    expect(groupsOf((await ask({ user: 'alice', revision: seen[0]! })).policy)).toEqual([
      ['dev', ['viewers']],
    ]);
  });

  test('that never was is the nearest by time, and says so', async () => {
    await put('user', 'bob', { roles: ['dev'] });
    const at = new Date().toISOString();
    await put('user', 'bob', { roles: [] });
    const { policy } = await ask({ user: 'bob', revision: '0123456789abcdef', at });
    expect(policy).toMatchObject({ isExact: false, user: { roles: ['dev'] } });
    expect(policy.since <= at && at <= policy.until).toBe(true);
  });

  test('has users who were locked, expired or not there without roles, each at that time', async () => {
    await put('role', 'dev', reaching('viewers'));
    const ends = new Date(Date.now() + 3_600_000).toISOString();
    await put('user', 'carl', { roles: ['dev'], expires: ends });
    const then = (offset: number) => new Date(Date.parse(ends) + offset).toISOString();
    expect((await ask({ user: 'carl', at: then(-1) })).policy).toMatchObject({
      user: { state: 'active', expires: ends },
      roles: [{}],
    });
    expect((await ask({ user: 'carl', at: then(1) })).policy).toMatchObject({
      user: { state: 'expired' },
      roles: [],
    });
    await put('user', 'carl', { roles: ['dev'], status: { is_locked: true } });
    expect((await ask({ user: 'carl' })).policy).toMatchObject({ user: { state: 'locked' }, roles: [] });
    expect((await ask({ user: 'nobody' })).policy).toMatchObject({
      user: { state: 'absent', roles: [] },
      roles: [],
    });
  });

  test('has the lock that was on the user, a role, the session or the cluster then', async () => {
    await put('role', 'dev', reaching('viewers'));
    await put('user', 'erin', { roles: ['dev'] });
    await using policy = openPolicy(service.bus, edgeId);
    await policy.ready;
    const locked = async (id: string, target: Record<string, string>) => {
      await put('lock', id, { target, message: `because of ${id}` });
      const erin = { user: policy.user('erin'), session: 's1', cluster: 'c1' };
      await expect.poll(() => policy.lockOn(erin)?.message, { timeout: 10_000 }).toBe(`because of ${id}`);
      const revision = policy.revision();
      const { status } = await service.as('admin')({ method: 'DELETE', path: `/v1/resources/lock/${id}` });
      expect(status).toBe(204);
      await expect.poll(() => policy.lockOn(erin), { timeout: 10_000 }).toBeUndefined();
      return revision;
    };
    const at = () => new Date().toISOString();
    const byUser = await locked('l1', { user: 'erin' });
    const byCluster = await locked('l2', { kube_cluster: 'c1' });
    const bySession = await locked('l3', { session: 's1' });
    const about = { user: 'erin', session: 's1', cluster: 'c1' };
    expect((await ask({ ...about, revision: byUser, at: at() })).policy).toMatchObject({
      isExact: true,
      user: { state: 'locked' },
      lock: { field: 'user', value: 'erin', message: 'because of l1' },
      roles: [],
    });
    expect((await ask({ ...about, revision: byCluster, at: at() })).policy).toMatchObject({
      isExact: true,
      user: { state: 'active' },
      lock: { field: 'kube_cluster', value: 'c1' },
      roles: [{ name: 'dev' }],
    });
    expect((await ask({ ...about, revision: bySession, at: at() })).policy.lock?.field).toBe('session');
    expect(
      (await ask({ ...about, session: 's2', revision: bySession, at: at() })).policy.lock,
    ).toBeUndefined();
    expect((await ask(about)).policy.lock).toBeUndefined();
  });

  test('has a role that was deleted since', async () => {
    await put('role', 'brief', reaching('g'));
    await put('user', 'dora', { roles: ['brief'] });
    const at = new Date().toISOString();
    await put('user', 'dora', { roles: [] });
    await service.as('admin')({ method: 'DELETE', path: '/v1/resources/role/brief' });
    expect(groupsOf((await ask({ user: 'dora', at })).policy)).toEqual([['brief', ['g']]]);
    expect((await ask({ user: 'dora' })).policy.roles).toEqual([]);
  });

  test('is shown to those alone who may read roles and users', async () => {
    const rules = (...resources: string[]) => ({ allow: { rules: [{ resources, verbs: ['read'] }] } });
    await put('role', 'reads-roles', rules('role'));
    await put('role', 'reads-both', rules('role', 'user', 'lock'));
    await put('user', 'half', { roles: ['reads-roles'] });
    await put('user', 'whole', { roles: ['reads-both'] });
    const statuses = await Promise.all(
      ['half', 'whole', 'nobody'].map(async (name) => (await ask({ user: 'alice' }, name)).status),
    );
    expect(statuses).toEqual([403, 200, 403]);
    const agent = await service.asAgent(edgeId, ['Proxy']);
    expect((await agent({ path: '/v1/history/policy?user=alice' })).status).toBe(403);
  });

  test.each([
    { user: '' },
    { user: 'x'.repeat(700) },
    { user: 'alice', revision: 'latest' },
    { user: 'alice', at: 'yesterday' },
    { user: 'alice', as: 'admin' },
  ])('is not asked for by %j', async (query) => {
    expect((await ask(query as unknown as Record<string, string>)).status).toBe(400);
  });

  test('is read through an index of the changes alone', async () => {
    const plan = await service.store.db.transaction().execute(async (trx) => {
      await sql`set local enable_seqscan = off`.execute(trx);
      return sql<{ 'QUERY PLAN': string }>`explain select event_id from es_event
        where type in ('ResourceUpserted', 'ResourceDeleted')
          and (stream_id like 'role/%' or stream_id like 'user/%' or stream_id like 'lock/%')
        order by seq`.execute(trx);
    });
    expect(plan.rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('es_event_of_policy');
  });
});
