import { sha256Hex, uuidv7 } from '@postern/core';
import { compareWithRebuild } from '@postern/projections';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resourceList } from '../src/index.ts';
import type { Client, Reply } from './support/client.ts';
import { canary, cluster, kubeconfig, kubeManager, role, token, user } from './support/documents.ts';
import { startService, type TestService } from './support/service.ts';

let service: TestService;
let admin: Client;

beforeAll(async () => {
  service = await startService();
  admin = service.as('admin');
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

interface PutOptions {
  readonly as?: Client;
  readonly ifMatch?: string;
}

const post = (kind: string, body: unknown, as = admin) =>
  as({ method: 'POST', path: `/v1/resources/${kind}`, body });
const put = (kind: string, name: string, body: unknown, { as = admin, ifMatch }: PutOptions = {}) => {
  const headers = ifMatch === undefined ? {} : { 'if-match': ifMatch };
  return as({ method: 'PUT', path: `/v1/resources/${kind}/${encodeURIComponent(name)}`, body, headers });
};
const get = (kind: string, name: string, query = '', as = admin) =>
  as({ path: `/v1/resources/${kind}/${encodeURIComponent(name)}${query}` });
const remove = (kind: string, name: string, as = admin) =>
  as({ method: 'DELETE', path: `/v1/resources/${kind}/${encodeURIComponent(name)}` });

const codeOf = (reply: Reply) => [reply.status, reply.body['code']];
const metadataOf = (reply: Reply) =>
  reply.body['metadata'] as { name: string; revision: string; labels?: Record<string, string> };

describe('presets', () => {
  test('are there after the first start', async () => {
    const roles = await admin({ path: '/v1/resources/role' });
    const names = (roles.body['resources'] as { metadata: { name: string } }[]).map(
      ({ metadata }) => metadata.name,
    );
    expect(names).toEqual(expect.arrayContaining(['access', 'auditor', 'editor']));
    expect((await get('user', 'admin')).body['spec']).toMatchObject({ roles: ['access', 'editor'] });
  });

  test('that were removed do not come back with the next start (A-14)', async () => {
    const auditor = (await get('role', 'auditor')).body;
    expect((await remove('role', 'auditor')).status).toBe(204);
    const second = await service.replica();
    expect((await get('role', 'auditor')).status).toBe(404);
    await service.stop(second);
    expect((await post('role', { ...auditor, metadata: { name: 'auditor' } })).status).toBe(201);
  });
});

describe('a resource', () => {
  test('is created, read, listed, replaced and deleted', async () => {
    const created = await post('kube_cluster', cluster('crud', { env: 'prod' }));
    expect(created.status).toBe(201);
    expect(metadataOf(created).labels).toEqual({ env: 'prod', 'teleport.dev/origin': 'dynamic' });
    const read = await get('kube_cluster', 'crud');
    expect(read.body).toEqual(created.body);
    const replaced = await put('kube_cluster', 'crud', cluster('crud', { env: 'test' }));
    expect(replaced.status).toBe(200);
    expect(metadataOf(replaced).revision).not.toBe(metadataOf(created).revision);
    expect((await remove('kube_cluster', 'crud')).status).toBe(204);
    expect(codeOf(await get('kube_cluster', 'crud'))).toEqual([404, 'resource.not_found']);
    expect(codeOf(await remove('kube_cluster', 'crud'))).toEqual([404, 'resource.not_found']);
  });

  test('that exists is not created again (K-10)', async () => {
    await post('kube_cluster', cluster('twice'));
    expect(codeOf(await post('kube_cluster', cluster('twice')))).toEqual([409, 'resource.already_exists']);
  });

  test('is created by a put with 201', async () => {
    expect((await put('kube_cluster', 'by-put', cluster('by-put'))).status).toBe(201);
  });

  test('is replaced only at the revision that If-Match names', async () => {
    const first = metadataOf(await post('kube_cluster', cluster('cas')));
    const second = await put('kube_cluster', 'cas', cluster('cas', { a: '1' }), {
      ifMatch: `"${first.revision}"`,
    });
    expect(second.status).toBe(200);
    const stale = await put('kube_cluster', 'cas', cluster('cas', { a: '2' }), {
      ifMatch: `"${first.revision}"`,
    });
    expect(codeOf(stale)).toEqual([409, 'resource.revision_conflict']);
    expect(codeOf(await put('kube_cluster', 'cas', cluster('cas'), { ifMatch: 'x' }))).toEqual([
      400,
      'http.invalid_request',
    ]);
  });

  test('is not replaced by a file that was read at an older revision (K-13)', async () => {
    const first = (await post('kube_cluster', cluster('file'))).body;
    await put('kube_cluster', 'file', cluster('file', { a: '1' }));
    expect(codeOf(await put('kube_cluster', 'file', first))).toEqual([409, 'resource.revision_conflict']);
    await remove('kube_cluster', 'file');
    expect((await put('kube_cluster', 'file', first)).status).toBe(201);
  });

  test('is written by one of a hundred racing creations', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => post('kube_cluster', cluster('race'))),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(99);
    expect(await service.store.load('kube_cluster/race')).toHaveLength(1);
  });

  test('is created once by a command that is retried', async () => {
    const headers = { 'postern-command-id': uuidv7() };
    const send = () =>
      admin({ method: 'POST', path: '/v1/resources/kube_cluster', body: cluster('retry'), headers });
    const [first, second] = [await send(), await send()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    const gone = () =>
      admin({
        method: 'DELETE',
        path: '/v1/resources/kube_cluster/retry',
        headers: { 'postern-command-id': id },
      });
    const id = uuidv7();
    expect([(await gone()).status, (await gone()).status]).toEqual([204, 204]);
  });

  test('of another name than the URL says is refused', async () => {
    expect(codeOf(await put('kube_cluster', 'a', cluster('b')))).toEqual([400, 'contracts.invalid_resource']);
  });

  test('that has expired is gone at once', async () => {
    const expires = new Date(Date.now() + 300).toISOString();
    expect((await post('token', token('short-lived', { roles: ['Kube'] }, { expires }))).status).toBe(201);
    await expect.poll(async () => (await get('token', 'short-lived')).status, { timeout: 5_000 }).toBe(404);
    expect((await post('token', token('short-lived'))).status).toBe(201);
    expect((await service.store.load(`token/${sha256Hex('short-lived')}`)).map(({ type }) => type)).toEqual([
      'ResourceUpserted',
      'ResourceDeleted',
      'ResourceUpserted',
    ]);
  });

  test('that has expired already is not created', async () => {
    const expired = token('late', { roles: ['Kube'] }, { expires: '2020-01-01T00:00:00Z' });
    expect(codeOf(await post('token', expired))).toEqual([400, 'contracts.invalid_resource']);
  });
});

describe('bad input', () => {
  const cases: Record<string, [kind: string, body: unknown, status: number, code: string]> = {
    'an unknown kind': ['pod', {}, 400, 'resource.unknown_kind'],
    'a plural kind': ['kube_clusters', cluster('x'), 400, 'resource.unknown_kind'],
    'another kind than the URL says': ['role', cluster('x'), 400, 'contracts.invalid_resource'],
    'an unknown field': ['kube_cluster', { ...cluster('x'), extra: 1 }, 400, 'contracts.invalid_resource'],
    'an exec plugin': [
      'kube_cluster',
      cluster('x', {}, { kubeconfig: execPlugin() }),
      400,
      'contracts.invalid_kubeconfig',
    ],
    'half a surrogate pair': [
      'kube_cluster',
      { ...cluster('x'), metadata: { name: 'x', description: '\ud800' } },
      400,
      'contracts.invalid_resource',
    ],
    'a NUL': [
      'kube_cluster',
      { ...cluster('x'), metadata: { name: 'x', description: '\0' } },
      400,
      'core.invalid_json',
    ],
    'an array': ['kube_cluster', [cluster('x')], 400, 'http.invalid_request'],
    'too much': [
      'kube_cluster',
      { ...cluster('x'), metadata: { name: 'x', description: 'x'.repeat(2e6) } },
      413,
      'http.body_too_large',
    ],
    'a user of a role that does not exist': [
      'user',
      user('x', ['nobody-has-this']),
      404,
      'resource.role_not_found',
    ],
    'a cloud origin': [
      'kube_cluster',
      cluster('x', { 'teleport.dev/origin': 'cloud' }),
      400,
      'resource.origin_reserved',
    ],
    'a masked token': ['token', token('********'), 400, 'contracts.invalid_resource'],
  };
  test.each(Object.entries(cases))(
    'with %s is refused and nothing is stored',
    async (_, [kind, body, status, code]) => {
      expect(codeOf(await post(kind, body))).toEqual([status, code]);
      expect((await get('kube_cluster', 'x')).status).toBe(404);
    },
  );

  test('in a label that looks like SQL is data', async () => {
    const labels = { env: "prod' OR '1'='1", 'a.b': '"; drop table resource; --' };
    await post('kube_cluster', cluster('sql', labels));
    expect(metadataOf(await get('kube_cluster', 'sql')).labels).toMatchObject(labels);
    expect((await get('kube_cluster', "sql' or '1'='1")).status).toBe(404);
  });
});

describe('secrets', () => {
  test('of a cluster come back only when asked for (K-14)', async () => {
    const created = await post('kube_cluster', cluster('secret'));
    expect(created.body['spec']).toEqual({});
    const read = await get('kube_cluster', 'secret', '?withSecrets=true');
    const spec = read.body['spec'] as { kubeconfig: string };
    expect(atob(spec.kubeconfig)).toContain(canary);
    const list = await admin({ path: '/v1/resources/kube_cluster?withSecrets=true' });
    expect(JSON.stringify(list.body)).toContain(spec.kubeconfig);
    expect(JSON.stringify((await admin({ path: '/v1/resources/kube_cluster' })).body)).not.toContain(
      'kubeconfig',
    );
  });

  test('survive reading without them, editing and writing back', async () => {
    await post('kube_cluster', cluster('round'));
    const { body } = await get('kube_cluster', 'round');
    const edited = { ...body, metadata: { ...(body['metadata'] as object), labels: { env: 'test' } } };
    expect((await put('kube_cluster', 'round', edited)).status).toBe(200);
    const { spec } = (await get('kube_cluster', 'round', '?withSecrets=true')).body as {
      spec: { kubeconfig: string };
    };
    expect(atob(spec.kubeconfig)).toContain(canary);
  });

  test('end when they are emptied or replaced, and with the resource (K-14)', async () => {
    const count = async (id: string) => {
      const rows = await service.store.db
        .selectFrom('resource_secret')
        .select('ref')
        .where('id', '=', id)
        .execute();
      return rows.length;
    };
    await post('kube_cluster', cluster('shred'));
    await put('kube_cluster', 'shred', cluster('shred', { a: 'b' }));
    expect(await count('shred')).toBe(1);
    await put('kube_cluster', 'shred', cluster('shred', {}, { kubeconfig: '' }));
    expect(await count('shred')).toBe(0);
    await put('kube_cluster', 'shred', cluster('shred'));
    await remove('kube_cluster', 'shred');
    expect(await count('shred')).toBe(0);
  });

  test('include the name of a token', async () => {
    const name = 'token-name-9b1e7d20a4c85f63';
    expect(metadataOf(await post('token', token(name))).name).toBe('*'.repeat(20) + name.slice(20));
    expect(metadataOf(await get('token', name)).name).not.toBe(name);
    expect(metadataOf(await get('token', sha256Hex(name), '?withSecrets=true')).name).toBe(name);
    const list = await admin({ path: '/v1/resources/token' });
    expect(JSON.stringify(list.body)).not.toContain(name);
    const masked = metadataOf(await get('token', name));
    const edited = token(masked.name, { roles: ['Kube', 'Discovery'] });
    expect((await put('token', masked.name, edited)).status).toBe(200);
    expect((await get('token', name, '?withSecrets=true')).body).toMatchObject({
      metadata: { name },
      spec: { roles: ['Kube', 'Discovery'] },
    });
    expect((await remove('token', masked.name)).status).toBe(204);
    expect((await get('token', name)).status).toBe(404);
  });

  test('are not the names of tokens that prove something else', async () => {
    const spec = { roles: ['Kube'], join_method: 'iam', allow: [{ aws_account: '123456789012' }] };
    expect(metadataOf(await post('token', token('iam-token', spec))).name).toBe('iam-token');
  });

  test('are nowhere in the database or the log (K-14)', async () => {
    await post('kube_cluster', cluster('grep'));
    await post('token', token(`${canary}-as-a-token-name`));
    const text = await everything();
    expect(text).toContain('ResourceUpserted');
    for (const secret of [canary, kubeconfig.slice(0, 60), btoa(canary).slice(0, 12)])
      expect(text).not.toContain(secret);
    expect(service.telemetry.lines.join('\n')).not.toMatch(
      new RegExp(`${canary}|${kubeconfig.slice(0, 40)}`),
    );
    expect(service.telemetry.lines.length).toBeGreaterThan(10);
  });
});

describe('a lock', () => {
  const lock = (name: string, target: Record<string, string>, spec: Record<string, unknown> = {}) => ({
    kind: 'lock',
    version: 'v2',
    metadata: { name },
    spec: { target, ...spec },
  });
  const readRoles = async () => service.as('lara')({ path: '/v1/resources/role' });

  test.each<[string, Record<string, string>]>([
    ['user', { user: 'lara' }],
    ['role', { role: 'reads-roles' }],
  ])('on the %s refuses every call at once, says why, and ends', async (name, target) => {
    await put(
      'role',
      'reads-roles',
      role('reads-roles', { rules: [{ resources: ['role'], verbs: ['list', 'read'] }] }),
    );
    await put('user', 'lara', user('lara', ['reads-roles']));
    expect((await readRoles()).status).toBe(200);
    expect((await post('lock', lock(name, target, { message: 'on leave' }))).status).toBe(201);
    const refused = await readRoles();
    expect(refused.status).toBe(403);
    expect(JSON.stringify(refused.body)).toContain('is locked: on leave');
    expect((await remove('lock', name)).status).toBe(204);
    expect((await readRoles()).status).toBe(200);
  });

  test('that has ended locks nobody', async () => {
    const expires = new Date(Date.now() + 400).toISOString();
    expect((await post('lock', lock('brief', { user: 'lara' }, { expires }))).status).toBe(201);
    expect((await readRoles()).status).toBe(403);
    await expect.poll(async () => (await readRoles()).status, { timeout: 5000 }).toBe(200);
  });

  test.each([[{ user: 'admin' }], [{ role: 'editor' }]])(
    'on its own author is refused, as nobody could take it back: %j',
    async (target) => {
      const answer = await post('lock', lock('self', target));
      expect(answer.status).toBe(422);
      expect(JSON.stringify(answer.body)).toContain('let somebody else make it');
    },
  );
});

describe('a caller', () => {
  const tables = ['role', 'user', 'token', 'kube_cluster', 'discovery_config'];

  test('who is unknown may do nothing', async () => {
    const nobody = service.as('nobody');
    for (const kind of tables) {
      expect((await post(kind, {}, nobody)).status).toBe(403);
      expect((await nobody({ path: `/v1/resources/${kind}` })).status).toBe(403);
    }
  });

  test('who is an agent or a service manages nothing', async () => {
    for (const roles of [['Kube'], ['Auth'], ['Proxy']]) {
      const agent = await service.asAgent('some-agent', roles);
      expect(codeOf(await agent({ path: '/v1/resources/role' }))).toEqual([403, 'resource.access_denied']);
    }
  });

  test('who manages clusters manages clusters and nothing else, no kubeconfig and no roles (A-10, A-11)', async () => {
    await post('role', kubeManager);
    await post('user', user('manager', ['kube-manager']));
    const manager = service.as('manager');
    expect((await post('kube_cluster', cluster('managed'), manager)).status).toBe(201);
    expect((await get('kube_cluster', 'managed', '', manager)).status).toBe(200);
    expect(
      (await put('kube_cluster', 'managed', cluster('managed', { a: 'b' }), { as: manager })).status,
    ).toBe(200);
    expect((await get('kube_cluster', 'managed', '?withSecrets=true', manager)).status).toBe(403);
    expect((await manager({ path: '/v1/resources/kube_cluster?withSecrets=true' })).status).toBe(403);
    expect((await remove('kube_cluster', 'managed', manager)).status).toBe(204);
    const wide = role('mine', { kubernetes_labels: { '*': '*' }, kubernetes_groups: ['system:masters'] });
    expect(codeOf(await post('role', wide, manager))).toEqual([403, 'resource.access_denied']);
    expect((await put('role', 'kube-manager', kubeManager, { as: manager })).status).toBe(403);
    expect((await put('user', 'manager', user('manager', ['editor']), { as: manager })).status).toBe(403);
    expect((await get('token', 'any', '', manager)).status).toBe(403);
  });

  test('who writes roles gives no more than he has', async () => {
    const rules = [{ resources: ['role'], verbs: ['list', 'create', 'read', 'update', 'delete'] }];
    await post('role', role('role-writer', { rules }));
    await post('user', user('writer', ['role-writer']));
    const writer = service.as('writer');
    expect(
      (await post('role', role('narrow', { rules: [{ resources: ['role'], verbs: ['read'] }] }), writer))
        .status,
    ).toBe(201);
    const wide = role('wide', { rules: [{ resources: ['*'], verbs: ['*'] }] });
    expect(codeOf(await post('role', wide, writer))).toEqual([403, 'resource.access_denied']);
  });

  test('who writes users hands out only roles he holds', async () => {
    const rules = [{ resources: ['user'], verbs: ['list', 'create', 'read', 'update', 'delete'] }];
    await post('role', role('user-writer', { rules }));
    await post('user', user('hr', ['user-writer']));
    const hr = service.as('hr');
    expect((await post('user', user('colleague', ['user-writer']), hr)).status).toBe(201);
    expect(codeOf(await post('user', user('evil', ['editor']), hr))).toEqual([403, 'resource.access_denied']);
    expect(codeOf(await put('user', 'hr', user('hr', ['user-writer', 'editor']), { as: hr }))).toEqual([
      403,
      'resource.access_denied',
    ]);
  });

  const all = ['list', 'create', 'read', 'update', 'delete'];
  const denyTokens = {
    kind: 'role',
    version: 'v7',
    metadata: { name: 'no-tokens' },
    spec: {
      allow: { rules: [{ resources: ['*'], verbs: ['*'] }] },
      deny: { rules: [{ resources: ['token'], verbs: ['*'] }] },
    },
  };

  test('who writes roles and users cannot give a role that he could not write', async () => {
    await post('role', role('staff', { rules: [{ resources: ['role', 'user'], verbs: all }] }));
    await post('user', user('head', ['staff']));
    const head = service.as('head');
    expect((await put('user', 'head', user('head', ['staff', 'editor']), { as: head })).status).toBe(403);
    expect((await post('user', user('helper', ['staff', 'auditor']), head)).status).toBe(403);
    expect((await post('user', user('helper', ['access']), head)).status).toBe(201);
  });

  test('who is denied something frees nobody of it, himself included', async () => {
    await post('role', denyTokens);
    await post('user', user('almost', ['no-tokens']));
    const almost = service.as('almost');
    const { spec, ...rest } = denyTokens;
    expect((await post('role', { ...denyTokens, metadata: { name: 'same' } }, almost)).status).toBe(201);
    const free = { ...rest, spec: { allow: spec.allow } };
    expect((await put('role', 'no-tokens', free, { as: almost })).status).toBe(403);
    expect((await post('role', { ...free, metadata: { name: 'free' } }, almost)).status).toBe(403);
    expect((await put('user', 'almost', user('almost', ['same']), { as: almost })).status).toBe(403);
    expect((await put('user', 'almost', user('almost', ['editor']), { as: almost })).status).toBe(403);
    expect((await put('user', 'almost', user('almost', ['no-tokens', 'same']), { as: almost })).status).toBe(
      200,
    );
    expect((await put('role', 'same', free, { as: service.as('admin') })).status).not.toBe(403);
  });

  test('who writes users gives no trait that he does not have', async () => {
    await post('role', role('people', { rules: [{ resources: ['user'], verbs: all }] }));
    const withTraits = (name: string, traits: Record<string, string[]>) => ({
      ...user(name, ['people', 'access']),
      spec: { roles: ['people', 'access'], traits },
    });
    await post('user', withTraits('desk', { kubernetes_groups: ['viewers'] }));
    const desk = service.as('desk');
    const groups = (...kubernetes_groups: string[]) => ({ kubernetes_groups });
    expect((await put('user', 'desk', withTraits('desk', groups('admins')), { as: desk })).status).toBe(403);
    expect((await post('user', withTraits('new', groups('viewers', 'admins')), desk)).status).toBe(403);
    expect((await post('user', withTraits('new', groups('viewers')), desk)).status).toBe(201);
    await post('user', withTraits('boss', groups('admins')));
    expect((await put('user', 'boss', withTraits('boss', groups('admins')), { as: desk })).status).toBe(200);
  });

  test('who writes tokens lets in agents, and no part of the control plane', async () => {
    await post('role', role('token-writer', { rules: [{ resources: ['token'], verbs: all }] }));
    await post('user', user('gate', ['token-writer']));
    const gate = service.as('gate');
    expect((await post('token', token('for-agents', { roles: ['Kube'] }), gate)).status).toBe(201);
    for (const each of ['Auth', 'Proxy']) {
      expect((await post('token', token(`t-${each}`, { roles: ['Kube', each] }), gate)).status).toBe(403);
      expect((await post('token', token(`t-${each}`, { roles: ['Kube', each] }))).status).toBe(201);
    }
  });

  const viewers = {
    kubernetes_labels: { env: 'dev' },
    kubernetes_groups: ['viewers'],
    kubernetes_resources: [{ kind: 'pod', namespace: 'dev', name: '*', verbs: ['get', 'list'] }],
  };
  const wider = { ...viewers, kubernetes_groups: ['system:masters'] };

  test('who writes roles gives no more in clusters than he has (A-10)', async () => {
    const rules = [{ resources: ['role', 'user', 'token'], verbs: all }];
    await post('role', role('lead', { ...viewers, rules }));
    await post('role', role('masters', wider));
    await post('user', user('leader', ['lead']));
    await post('user', user('bot-strong', ['masters']));
    const leader = service.as('leader');
    expect((await post('role', role('intern', viewers), leader)).status).toBe(201);
    const refused = await post('role', role('strong', wider), leader);
    expect(codeOf(refused)).toEqual([403, 'resource.access_denied']);
    expect(refused.body['detail']).toContain(
      'this would give the Kubernetes group "system:masters" to get, list pods named "*" in namespace "dev"',
    );
    expect((await put('role', 'intern', role('intern', wider), { as: leader })).status).toBe(403);
    expect((await post('user', user('friend', ['intern']), leader)).status).toBe(201);
    expect((await post('user', user('enemy', ['masters']), leader)).status).toBe(403);
    expect((await put('user', 'leader', user('leader', ['lead', 'masters']), { as: leader })).status).toBe(
      403,
    );
    const botToken = (name: string, bot_name: string) => token(name, { roles: ['Bot'], bot_name });
    expect((await post('token', botToken('t-strong', 'strong'), leader)).status).toBe(403);
    expect((await post('token', botToken('t-weak', 'weak'), leader)).status).toBe(201);
  });

  test('who may escalate gives what he does not have (A-10)', async () => {
    const rules = [{ resources: ['role'], verbs: ['create', 'update', 'read', 'list', 'escalate'] }];
    await post('role', role('escalator', { rules }));
    await post('user', user('escalating', ['escalator']));
    expect((await post('role', role('given', wider), service.as('escalating'))).status).toBe(201);
    const almost = rules.map((rule) => ({ ...rule, verbs: [...rule.verbs, 'delete'] }));
    expect((await post('role', role('more', { rules: almost }), service.as('escalating'))).status).toBe(403);
  });

  test('who is a bot is the user that begins with bot-, and not its namesake', async () => {
    await post('user', user('bot-ci', ['access']));
    await post('user', user('ci', ['editor']));
    const bot = service.asBot('ci');
    expect((await post('role', role('from-a-bot', {}), bot)).status).toBe(403);
    expect((await get('role', 'editor', '', bot)).status).toBe(403);
    expect((await get('role', 'editor', '', service.as('ci'))).status).toBe(200);
    expect((await get('role', 'editor', '', service.asBot('admin'))).status).toBe(403);
  });

  test('who is locked may do nothing', async () => {
    await post('user', {
      ...user('locked', ['editor']),
      spec: { roles: ['editor'], status: { is_locked: true } },
    });
    expect((await get('role', 'editor', '', service.as('locked'))).status).toBe(403);
  });
});

describe('a role', () => {
  test('that somebody holds is not deleted', async () => {
    await post('role', role('held', {}));
    await post('user', user('holder', ['held']));
    expect(codeOf(await remove('role', 'held'))).toEqual([422, 'resource.role_in_use']);
    await remove('user', 'holder');
    expect((await remove('role', 'held')).status).toBe(204);
  });

  test('is never lost under a user who is given it at the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      await put('role', 'contested', role('contested', {}));
      const [given, removed] = await Promise.all([
        put('user', 'lucky', user('lucky', ['contested'])),
        remove('role', 'contested'),
      ]);
      expect([given.status < 300, removed.status < 300]).not.toEqual([true, true]);
      await remove('user', 'lucky');
    }
  });
});

describe('the tables', () => {
  test('equal what the events say', async () => {
    expect(await compareWithRebuild(service.store, resourceList)).toEqual([]);
  });

  test('are made again by a replica of another version, before it is ready', async () => {
    const { store } = service;
    const rows = () => store.db.selectFrom('resource').selectAll().orderBy('kind').orderBy('id').execute();
    const before = await rows();
    await sql`update resource set doc = '{}'`.execute(store.db);
    await sql`update es_projection set version = 0`.execute(store.db);
    const replica = await service.replica();
    expect(await rows()).toEqual(before);
    await service.stop(replica);
  });
});

async function everything(): Promise<string> {
  const { db } = service.store;
  const events = await service.store.feed({ limit: 100_000 });
  const tables = [
    'resource',
    'resource_gone',
    'resource_secret',
    'view',
    'view_reader',
    'agent_roles',
  ] as const;
  const rows = await Promise.all(tables.map((table) => db.selectFrom(table).selectAll().execute()));
  return JSON.stringify([events, rows]);
}

function execPlugin(): string {
  const text = atob(kubeconfig).replace('"token"', '"exec":{"command":"/bin/sh"},"token"');
  return btoa(text);
}
