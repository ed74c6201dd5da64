import { sha256Hex, uuidv7 } from '@postern/core';
import { compareWithRebuild } from '@postern/projections';
import { until } from '@postern/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resourceProjections } from '../src/index.ts';
import type { Client, Reply } from './support/client.ts';
import { canary, cluster, kubeconfig, role, token, user } from './support/documents.ts';
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

interface Change {
  readonly kind: string;
  readonly name: string;
  readonly revision: string;
  readonly version: number;
  readonly change: string;
  readonly at: string;
  readonly actor: string;
  readonly user: string;
  readonly correlation: string;
  readonly restoredFrom?: string;
  readonly fields: readonly { path: string[]; before?: unknown; after?: unknown; isSecret?: true }[];
}

const put = (kind: string, name: string, body: unknown, as = admin) =>
  as({ method: 'PUT', path: `/v1/resources/${kind}/${encodeURIComponent(name)}`, body });
const post = (kind: string, body: unknown, as = admin) =>
  as({ method: 'POST', path: `/v1/resources/${kind}`, body });
const get = (kind: string, name: string, query = '') =>
  admin({ path: `/v1/resources/${kind}/${encodeURIComponent(name)}${query}` });
const remove = (kind: string, name: string) =>
  admin({ method: 'DELETE', path: `/v1/resources/${kind}/${encodeURIComponent(name)}` });
const history = (kind: string, name: string, query = '', as = admin) =>
  as({ path: `/v1/history/resources/${kind}/${encodeURIComponent(name)}${query}` });
const at = (kind: string, name: string, query: string, as = admin) =>
  as({ path: `/v1/history/resources/${kind}/${encodeURIComponent(name)}/at?${query}` });
const changes = (query: string, as = admin) => as({ path: `/v1/history/changes?${query}` });

interface RestoreBody {
  readonly to: string;
  readonly over?: string;
  readonly dryRun?: boolean;
}

interface RestoreOptions {
  readonly as?: Client;
  readonly commandId?: string;
}

const restore = (
  ref: string,
  body: RestoreBody,
  { as = admin, commandId = uuidv7() }: RestoreOptions = {},
) => {
  const [kind, name] = ref.split('/') as [string, string];
  return as({
    method: 'POST',
    path: `/v1/history/resources/${kind}/${encodeURIComponent(name)}/restore`,
    body,
    headers: { 'postern-command-id': commandId },
  });
};

const otherKubeconfig = Buffer.from(
  Buffer.from(kubeconfig, 'base64').toString().replace(canary, 'newer'),
).toString('base64');

const listOf = (reply: Reply) => reply.body['changes'] as Change[];
const codeOf = (reply: Reply) => [reply.status, reply.body['code']];
const detailOf = (reply: Reply) => String(reply.body['detail']);
const revisionOf = (reply: Reply) => (reply.body['metadata'] as { revision: string }).revision;
const newest = async (kind: string, name: string) => listOf(await history(kind, name))[0]!;
/** A time that is after everything done so far and before everything done later. */
async function between(): Promise<string> {
  const now = Date.now();
  await until('the next millisecond', () => Promise.resolve(Date.now() > now), { everyMs: 1 });
  const moment = Date.now();
  await until('another millisecond', () => Promise.resolve(Date.now() > moment), { everyMs: 1 });
  return new Date(moment).toISOString();
}

describe('the history of a resource', () => {
  test('tells who changed what and when, the newest first', async () => {
    await post('role', role('told', { kubernetes_groups: ['viewers'] }));
    await put('role', 'told', role('told', { kubernetes_groups: ['viewers', 'system:masters'] }));
    await remove('role', 'told');
    const told = listOf(await history('role', 'told'));
    expect(told.map(({ change, version, name }) => [change, version, name])).toEqual([
      ['deleted', 3, 'told'],
      ['updated', 2, 'told'],
      ['created', 1, 'told'],
    ]);
    expect(told[1]!.fields).toEqual([
      {
        path: ['spec', 'allow', 'kubernetes_groups'],
        before: ['viewers'],
        after: ['viewers', 'system:masters'],
      },
    ]);
    expect(told[0]!.fields).toEqual([]);
    for (const change of told) {
      expect(change.user).toBe('admin');
      expect(change.actor).toBe('spiffe://postern/user/admin');
      expect(change.correlation).toMatch(/^[0-9a-f-]{36}$/);
      expect(Math.abs(Date.now() - Date.parse(change.at))).toBeLessThan(60_000);
    }
  });

  test('names changes by the revisions that documents carry', async () => {
    const first = revisionOf(await post('role', role('named', {})));
    const second = revisionOf(await put('role', 'named', role('named', { kubernetes_groups: ['x'] })));
    expect(listOf(await history('role', 'named')).map(({ revision }) => revision)).toEqual([second, first]);
  });

  test('comes in pages without gap or repetition', async () => {
    for (let group = 1; group <= 7; group += 1)
      await put('role', 'paged', role('paged', { kubernetes_groups: [`g${group}`] }));
    const versions: number[] = [];
    let next = '';
    do {
      const page = await history('role', 'paged', `?limit=3${next && `&before=${next}`}`);
      versions.push(...listOf(page).map(({ version }) => version));
      next = String(page.body['next']);
    } while (next !== '');
    expect(versions).toEqual([7, 6, 5, 4, 3, 2, 1]);
  });

  test('is filtered by user and by time', async () => {
    await post('role', role('manager', { rules: [{ resources: ['role'], verbs: ['*'] }] }));
    await post('user', user('mallory', ['manager']));
    await post('role', role('filtered', {}));
    const since = await between();
    const wider = role('filtered', { kubernetes_groups: ['a'] });
    expect((await put('role', 'filtered', wider, service.as('mallory'))).status).toBe(200);
    const by = async (query: string) =>
      listOf(await history('role', 'filtered', query)).map(({ version }) => version);
    expect(await by('?user=mallory')).toEqual([2]);
    expect(await by('?user=admin')).toEqual([1]);
    expect(await by('?user=nobody')).toEqual([]);
    expect(await by(`?since=${since}`)).toEqual([2]);
  });

  test('names the cluster itself where nobody asked', async () => {
    const expires = new Date(Date.now() + 300).toISOString();
    await post('token', token('expiring-token-name', { roles: ['Kube'] }, { expires }));
    const name = sha256Hex('expiring-token-name');
    const change = await until('it has expired', async () => {
      const [last] = listOf(await history('token', name));
      return last?.change === 'expired' && last;
    });
    expect(change.user).toBe('');
    expect(change.actor).toMatch(/^spiffe:\/\/postern\/svc\//);
    expect((await newest('role', 'editor')).actor).toMatch(/^spiffe:\/\/postern\/svc\//);
  });

  test('is not there for what never was', async () => {
    const reply = await history('role', 'never');
    expect(codeOf(reply)).toEqual([404, 'resource.never_existed']);
    expect(detailOf(reply)).toBe('role "never" not found: there was never one');
  });

  test('shows of secrets only that they were written', async () => {
    await post('kube_cluster', cluster('secretive'));
    await put('kube_cluster', 'secretive', cluster('secretive', {}, { kubeconfig: otherKubeconfig }));
    // The same again is no change.
    await put('kube_cluster', 'secretive', cluster('secretive', {}, { kubeconfig: otherKubeconfig }));
    await put('kube_cluster', 'secretive', cluster('secretive', {}, { kubeconfig: '' }));
    const reply = await history('kube_cluster', 'secretive');
    const path = ['spec', 'kubeconfig'];
    expect(listOf(reply).map(({ fields }) => fields.find(({ isSecret }) => isSecret))).toEqual([
      { path, before: '*****', isSecret: true },
      { path, before: '*****', after: '*****', isSecret: true },
      { path, after: '*****', isSecret: true },
    ]);
    expect(JSON.stringify(reply.body)).not.toContain(canary);
    const events = await service.store.load('kube_cluster/secretive');
    for (const ref of events.flatMap(({ data }) => Object.values((data['secrets'] as object) ?? {})))
      expect(JSON.stringify(reply.body)).not.toContain(String(ref));
  });

  test('of a token is found by its digest and its masked name, also when it is gone, and never shows the name', async () => {
    const name = 'a-token-that-nobody-may-see-0815';
    await post('token', token(name));
    await remove('token', sha256Hex(name));
    const byDigest = await history('token', sha256Hex(name));
    expect(listOf(byDigest).map(({ change }) => change)).toEqual(['deleted', 'created']);
    const masked = listOf(byDigest)[0]!.name;
    expect(masked).toMatch(/^\*{10,}/);
    expect(JSON.stringify(byDigest.body)).not.toContain(name);
    const byMask = await until('the list has it', async () => {
      const reply = await history('token', masked);
      return reply.status === 200 && reply;
    });
    expect(listOf(byMask)).toHaveLength(2);
  });
});

describe('who may see history', () => {
  const none = role('history-none', {});
  const reader = role('history-reader', {
    rules: [{ resources: ['role'], verbs: ['list', 'readnosecrets'] }],
  });
  const readOnly = role('history-read', { rules: [{ resources: ['kube_cluster'], verbs: ['read'] }] });

  beforeAll(async () => {
    for (const each of [none, reader, readOnly]) await post('role', each);
    for (const each of ['none', 'reader', 'read']) await post('user', user(`h-${each}`, [`history-${each}`]));
    await post('kube_cluster', cluster('seen'));
  });

  test('is who may read resources of the kind', async () => {
    for (const [name, kind, resource, status] of [
      ['h-none', 'role', 'editor', 403],
      ['h-reader', 'role', 'editor', 200],
      ['h-reader', 'user', 'admin', 403],
      ['h-read', 'kube_cluster', 'seen', 200],
      ['h-read', 'role', 'editor', 403],
    ] as const) {
      expect([name, kind, (await history(kind, resource, '', service.as(name))).status]).toEqual([
        name,
        kind,
        status,
      ]);
      const time = new Date().toISOString();
      expect([name, kind, (await at(kind, resource, `time=${time}`, service.as(name))).status]).toEqual([
        name,
        kind,
        status,
      ]);
    }
  });

  test('learns nothing from the list of all changes about other kinds', async () => {
    const listed = listOf(await changes('limit=1000', service.as('h-reader')));
    expect(new Set(listed.map(({ kind }) => kind))).toEqual(new Set(['role']));
    expect((await changes('kind=user', service.as('h-reader'))).status).toBe(403);
    expect((await changes('', service.as('h-none'))).status).toBe(403);
    // `read` without `list` is for one resource whose name is known.
    expect((await changes('kind=kube_cluster', service.as('h-read'))).status).toBe(403);
    const [revision] = [(await newest('user', 'admin')).revision];
    expect(codeOf(await changes(`including=user/admin@${revision}`, service.as('h-reader')))[0]).toBe(400);
  });

  test('is no agent, and nobody unknown', async () => {
    const agent = await service.asAgent(uuidv7(), ['Kube']);
    expect((await history('role', 'editor', '', agent)).status).toBe(403);
    expect((await changes('', agent)).status).toBe(403);
    expect((await history('role', 'editor', '', service.as('nobody'))).status).toBe(403);
  });
});

describe('the list of all changes', () => {
  test('includes what the caller has just written, when it says so', async () => {
    for (let turn = 1; turn <= 20; turn += 1) {
      const written = await put('role', 'mine', role('mine', { kubernetes_groups: [`g${turn}`] }));
      const including = encodeURIComponent(`role/mine@${revisionOf(written)}`);
      const [last] = listOf(await changes(`kind=role&limit=1&including=${including}`));
      expect([last!.name, last!.version]).toEqual(['mine', turn]);
    }
  });

  test('refuses to wait for a revision that is none', async () => {
    expect(codeOf(await changes('including=role/mine@x'))).toEqual([404, 'resource.unknown_revision']);
    expect((await changes('including=mine')).status).toBe(400);
  });

  test('is filtered by kind, user and time, and comes in pages', async () => {
    await post('role', role('cluster-maker', { rules: [{ resources: ['*'], verbs: ['*'] }] }));
    await post('user', user('maker', ['cluster-maker']));
    const since = await between();
    let last: Reply | undefined;
    for (let turn = 1; turn <= 5; turn += 1)
      last = await post('kube_cluster', cluster(`made-${turn}`), service.as('maker'));
    await post('kube_cluster', cluster('not-his'));
    const including = encodeURIComponent(`kube_cluster/made-5@${revisionOf(last!)}`);
    const names: string[] = [];
    let next = '';
    do {
      const page = await changes(
        `user=maker&since=${since}&limit=2&including=${including}${next && `&before=${encodeURIComponent(next)}`}`,
      );
      names.push(...listOf(page).map(({ name }) => name));
      next = String(page.body['next']);
    } while (next !== '');
    expect(names).toEqual(['made-5', 'made-4', 'made-3', 'made-2', 'made-1']);
  });

  test.each([
    'before=x',
    "before=2026-01-01T00:00:00.000Z_'",
    'since=yesterday',
    'limit=0',
    'limit=-1',
    'kind=pod',
    'x=1',
  ])('refuses %s', async (query) => {
    expect((await changes(query)).status).toBe(400);
  });

  test('equals a rebuild from events', async () => {
    const [changeList] = resourceProjections.behindBus;
    const differences = () => compareWithRebuild(service.store, changeList!);
    await until('nothing is missing', async () => (await differences()).length === 0);
  });
});

describe('a resource at a moment', () => {
  test('is what it was at that time or revision', async () => {
    const first = revisionOf(await post('role', role('past', { kubernetes_groups: ['one'] })));
    const then = await between();
    await put('role', 'past', role('past', { kubernetes_groups: ['two'] }));
    const byTime = await at('role', 'past', `time=${then}`);
    expect(byTime.body).toMatchObject({
      metadata: { revision: first },
      spec: { allow: { kubernetes_groups: ['one'] } },
    });
    expect((await at('role', 'past', `revision=${first}`)).body).toEqual(byTime.body);
    expect((await at('role', 'past', `time=${new Date().toISOString()}`)).body).toMatchObject({
      spec: { allow: { kubernetes_groups: ['two'] } },
    });
  });

  test('that was not there is refused with the times at which it was', async () => {
    const before = await between();
    await post('role', role('gone-and-back', {}));
    await remove('role', 'gone-and-back');
    const gone = await between();
    await post('role', role('gone-and-back', {}));
    const [third, second, first] = listOf(await history('role', 'gone-and-back'));
    const periods = `from ${first!.at} until ${second!.at}, and from ${third!.at} on`;
    for (const time of [before, gone]) {
      const reply = await at('role', 'gone-and-back', `time=${time}`);
      expect(codeOf(reply)).toEqual([404, 'resource.not_there_then']);
      expect(detailOf(reply)).toBe(`role "gone-and-back" did not exist at ${time}: it existed ${periods}`);
    }
    const deleted = await at('role', 'gone-and-back', `revision=${second!.revision}`);
    expect(codeOf(deleted)).toEqual([404, 'resource.ended_then']);
    expect(detailOf(deleted)).toContain(periods);
    expect((await at('role', 'gone-and-back', `revision=${first!.revision}`)).status).toBe(200);
  });

  test('had expired when its time had passed', async () => {
    const expires = new Date(Date.now() + 200).toISOString();
    await post('role', { ...role('timed', {}), metadata: { name: 'timed', expires } });
    await until('it expired', async () => (await newest('role', 'timed')).change === 'expired');
    const [ended, created] = listOf(await history('role', 'timed'));
    expect(Date.parse(ended!.at)).toBeGreaterThan(Date.parse(expires));
    const reply = await at('role', 'timed', `time=${expires}`);
    expect(detailOf(reply)).toBe(
      `role "timed" did not exist at ${expires}: it existed from ${created!.at} until ${expires}`,
    );
  });

  test('holds no secret', async () => {
    const first = revisionOf(await post('kube_cluster', cluster('past-secret')));
    const reply = await at('kube_cluster', 'past-secret', `revision=${first}`);
    expect(reply.body['spec']).toEqual({});
    expect(JSON.stringify(reply.body)).not.toContain(canary);
  });

  test('is never in the future, and named in one way', async () => {
    await put('role', 'future', role('future', {}));
    const later = new Date(Date.now() + 3_600_000).toISOString();
    for (const query of [
      `time=${later}`,
      'time=x',
      'time=2026-13-45T00:00:00Z',
      '',
      `time=${later}&revision=x`,
    ])
      expect([query, (await at('role', 'future', query)).status]).toEqual([query, 400]);
    expect(codeOf(await at('role', 'future', 'revision=x'))).toEqual([404, 'resource.unknown_revision']);
    const foreign = (await newest('role', 'editor')).revision;
    expect(codeOf(await at('role', 'future', `revision=${foreign}`))).toEqual([
      404,
      'resource.unknown_revision',
    ]);
    expect(codeOf(await at('role', 'never', 'revision=x'))).toEqual([404, 'resource.never_existed']);
  });
});

describe('a restore', () => {
  test('brings a revision back as a new change that names it', async () => {
    const first = revisionOf(await post('role', role('back', { kubernetes_groups: ['viewers'] })));
    const second = revisionOf(
      await put('role', 'back', role('back', { kubernetes_groups: ['system:masters'] })),
    );
    const preview = await restore('role/back', { to: first, dryRun: true });
    expect(preview.body).toMatchObject({ over: second, revision: second, isRestored: false });
    expect(preview.body['fields']).toEqual([
      { path: ['spec', 'allow', 'kubernetes_groups'], before: ['system:masters'], after: ['viewers'] },
    ]);
    expect(await service.store.load('role/back')).toHaveLength(2);
    const done = await restore('role/back', { to: first, over: second });
    expect(done.body).toMatchObject({ over: second, isRestored: true, fields: preview.body['fields'] });
    expect(await newest('role', 'back')).toMatchObject({
      change: 'restored',
      version: 3,
      restoredFrom: first,
      user: 'admin',
      revision: done.body['revision'],
    });
    expect((await get('role', 'back')).body['spec']).toMatchObject({
      allow: { kubernetes_groups: ['viewers'] },
    });
  });

  test('of what is like that already records nothing', async () => {
    const first = revisionOf(await post('role', role('same', {})));
    const reply = await restore('role/same', { to: first });
    expect(reply.body).toMatchObject({ fields: [], isRestored: false, revision: first });
    expect(await service.store.load('role/same')).toHaveLength(1);
  });

  test('brings back what was deleted', async () => {
    const first = revisionOf(await post('role', role('deleted', { kubernetes_groups: ['a'] })));
    await remove('role', 'deleted');
    const reply = await restore('role/deleted', { to: first, over: '' });
    expect(reply.body).toMatchObject({ over: '', isRestored: true });
    expect((await get('role', 'deleted')).body['spec']).toMatchObject({
      allow: { kubernetes_groups: ['a'] },
    });
    expect(await newest('role', 'deleted')).toMatchObject({ change: 'restored', restoredFrom: first });
  });

  test('is a conflict when the resource changed since it was looked at', async () => {
    const first = revisionOf(await post('role', role('contended', {})));
    const second = revisionOf(
      await put('role', 'contended', role('contended', { kubernetes_groups: ['b'] })),
    );
    await put('role', 'contended', role('contended', { kubernetes_groups: ['c'] }));
    for (const over of [second, ''])
      expect(codeOf(await restore('role/contended', { to: first, over }))).toEqual([
        409,
        'resource.revision_conflict',
      ]);
    expect(await service.store.load('role/contended')).toHaveLength(3);
  });

  test('races with writes and undoes none that was not looked at', async () => {
    const first = revisionOf(await post('role', role('raced', {})));
    const over = revisionOf(await put('role', 'raced', role('raced', { kubernetes_groups: ['wide'] })));
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        n % 2 === 0
          ? restore('role/raced', { to: first, over })
          : put('role', 'raced', role('raced', { kubernetes_groups: [`w${n}`] })),
      ),
    );
    const story = listOf(await history('role', 'raced', '?limit=100'));
    const restored = story.filter(({ change }) => change === 'restored');
    expect(restored.every(({ version }) => version === 3)).toBe(true);
    expect(replies.filter(({ body }) => body['isRestored'] === true)).toHaveLength(restored.length);
    const written = replies.filter(({ status }, n) => n % 2 === 1 && status === 200);
    expect(story).toHaveLength(2 + restored.length + written.length);
  });

  test('that is sent again answers as the first time', async () => {
    const first = revisionOf(await post('role', role('resent', { kubernetes_groups: ['a'] })));
    const over = revisionOf(await put('role', 'resent', role('resent', { kubernetes_groups: ['b'] })));
    const commandId = uuidv7();
    const once = await restore('role/resent', { to: first, over }, { commandId });
    const again = await restore('role/resent', { to: first, over }, { commandId });
    expect(again.body).toEqual(once.body);
    expect(await service.store.load('role/resent')).toHaveLength(3);
  });

  test('keeps the secrets that are there now, and says so', async () => {
    const first = revisionOf(await post('kube_cluster', cluster('kept', { env: 'prod' })));
    await put('kube_cluster', 'kept', cluster('kept', { env: 'test' }, { kubeconfig: otherKubeconfig }));
    const commandId = uuidv7();
    const reply = await restore('kube_cluster/kept', { to: first }, { commandId });
    expect(reply.body).toMatchObject({ isRestored: true, keptSecrets: ['spec.kubeconfig'] });
    expect((await restore('kube_cluster/kept', { to: first }, { commandId })).body).toEqual(reply.body);
    expect(JSON.stringify(reply.body)).not.toContain('newer');
    const read = await get('kube_cluster', 'kept', '?withSecrets=true');
    const { kubeconfig: now } = read.body['spec'] as { kubeconfig: string };
    expect(Buffer.from(now, 'base64').toString()).toContain('newer');
    expect(read.body['metadata']).toMatchObject({ labels: { env: 'prod' } });
  });

  test('takes away a secret that was not there then', async () => {
    const first = revisionOf(await post('kube_cluster', cluster('bare', {}, {})));
    await put('kube_cluster', 'bare', cluster('bare'));
    const reply = await restore('kube_cluster/bare', { to: first });
    expect(reply.body['fields']).toEqual([{ path: ['spec', 'kubeconfig'], before: '*****', isSecret: true }]);
    expect((await get('kube_cluster', 'bare', '?withSecrets=true')).body['spec']).toEqual({});
    const { rows } = await secretRows('bare');
    expect(rows).toBe(0);
  });

  test('does not bring a destroyed secret back, and says what to do', async () => {
    const first = revisionOf(await post('kube_cluster', cluster('shredded')));
    await remove('kube_cluster', 'shredded');
    const reply = await restore('kube_cluster/shredded', { to: first });
    expect(codeOf(reply)).toEqual([422, 'resource.secret_destroyed']);
    expect(detailOf(reply)).toContain('spec.kubeconfig of kube_cluster "shredded" was destroyed');
    expect(detailOf(reply)).toContain(first);
    expect((await get('kube_cluster', 'shredded')).status).toBe(404);
    const secret = sha256Hex('a-secret-token-to-be-lost');
    await post('token', token('a-secret-token-to-be-lost'));
    await remove('token', secret);
    const { revision } = listOf(await history('token', secret))[1]!;
    expect(codeOf(await restore(`token/${secret}`, { to: revision }))).toEqual([
      422,
      'resource.secret_destroyed',
    ]);
  });

  test('keeps the name of a token that is there', async () => {
    const name = 'a-token-with-two-sets-of-roles';
    const first = revisionOf(await post('token', token(name, { roles: ['Kube'] })));
    await put('token', sha256Hex(name), token(name, { roles: ['Kube', 'Discovery'] }));
    expect((await restore(`token/${sha256Hex(name)}`, { to: first })).body['isRestored']).toBe(true);
    const read = await get('token', sha256Hex(name), '?withSecrets=true');
    expect(read.body).toMatchObject({ metadata: { name }, spec: { roles: ['Kube'] } });
  });

  test('to a time limit that has passed is refused', async () => {
    const expires = new Date(Date.now() + 400).toISOString();
    const limited = { ...role('limited', {}), metadata: { name: 'limited', expires } };
    const first = revisionOf(await post('role', limited));
    await put('role', 'limited', role('limited', { kubernetes_groups: ['x'] }));
    await until('the limit has passed', () => Promise.resolve(Date.now() > Date.parse(expires)));
    const reply = await restore('role/limited', { to: first });
    expect(reply.status).toBe(400);
    expect(detailOf(reply)).toContain('metadata.expires is in the past');
  });

  test('of a user whose role is gone is refused, also as a dry run', async () => {
    await post('role', role('former', {}));
    const first = revisionOf(await post('user', user('settled', ['former'])));
    await put('user', 'settled', user('settled', ['access']));
    await remove('role', 'former');
    for (const dryRun of [true, false])
      expect(codeOf(await restore('user/settled', { to: first, dryRun }))).toEqual([
        404,
        'resource.role_not_found',
      ]);
  });

  test('refuses the end of a resource, a foreign revision, and what was never there', async () => {
    await post('role', role('ended', {}));
    await remove('role', 'ended');
    const [deleted] = listOf(await history('role', 'ended'));
    expect(codeOf(await restore('role/ended', { to: deleted!.revision }))).toEqual([
      404,
      'resource.ended_then',
    ]);
    const foreign = (await newest('role', 'editor')).revision;
    expect(codeOf(await restore('role/ended', { to: foreign }))).toEqual([404, 'resource.unknown_revision']);
    expect(codeOf(await restore('role/never', { to: foreign }))).toEqual([404, 'resource.never_existed']);
  });
});

describe('who may restore', () => {
  const rules = (verbs: string[]) => ({ rules: [{ resources: ['role'], verbs }] });
  let present: string;
  let gone: string;

  beforeAll(async () => {
    await post('role', role('r-read', rules(['read', 'list'])));
    await post('role', role('r-update', rules(['read', 'update'])));
    await post('role', role('r-create', rules(['read', 'create'])));
    await post('role', role('r-blind', rules(['update', 'create'])));
    for (const each of ['read', 'update', 'create', 'blind'])
      await post('user', user(`r-${each}`, [`r-${each}`]));
    present = revisionOf(await post('role', role('here', {})));
    await put('role', 'here', role('here', { kubernetes_groups: ['x'] }));
    gone = revisionOf(await post('role', role('away', {})));
    await remove('role', 'away');
  });

  test.each([
    ['r-read', 403, 403],
    ['r-update', 200, 403],
    ['r-create', 403, 200],
    ['r-blind', 403, 403],
  ])('%s gets %d for what is there and %d for what is gone', async (name, there, away) => {
    const as = service.as(name);
    expect((await restore('role/here', { to: present, dryRun: true }, { as })).status).toBe(there);
    expect((await restore('role/away', { to: gone, dryRun: true }, { as })).status).toBe(away);
  });

  test('and is answered again when the command is repeated after it worked', async () => {
    const [as, commandId] = [service.as('r-create'), uuidv7()];
    const once = await restore('role/away', { to: gone, over: '' }, { as, commandId });
    expect(once.body).toMatchObject({ isRestored: true });
    expect((await restore('role/away', { to: gone, over: '' }, { as, commandId })).body).toEqual(once.body);
    expect((await restore('role/away', { to: gone, over: '' }, { as })).status).toBe(403);
  });

  test('nobody beyond the own rights: an older, wider role stays old', async () => {
    const wide = revisionOf(
      await post('role', role('once-wide', { rules: [{ resources: ['*'], verbs: ['*'] }] })),
    );
    await put('role', 'once-wide', role('once-wide', {}));
    const as = service.as('r-update');
    for (const dryRun of [true, false]) {
      const reply = await restore('role/once-wide', { to: wide, dryRun }, { as });
      expect(codeOf(reply)).toEqual([403, 'resource.access_denied']);
      expect(detailOf(reply)).toContain('which your own roles do not');
    }
    expect(await service.store.load('role/once-wide')).toHaveLength(2);
  });
});

type Step = { readonly does: 'put'; readonly groups: string[] } | { readonly does: 'delete' | 'restore' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    does: fc.constant('put' as const),
    groups: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
  }),
  fc.record({ does: fc.constantFrom('delete' as const, 'restore' as const) }),
);

interface Seen {
  readonly time: string;
  readonly groups: readonly string[] | undefined;
}

let lives = 0;

test('whatever happens to a resource, every moment of it is found again and the changes add up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
      lives += 1;
      const name = `life-${lives}`;
      const seen = await live(name, steps);
      for (const { time, groups } of seen) {
        const then = await at('role', name, `time=${time}`);
        expect([time, then.status]).toEqual([time, groups ? 200 : 404]);
        if (groups) expect(groupsOf(then.body)).toEqual(groups);
      }
      if (!seen.some(({ groups }) => groups)) return;
      for (const { fields, revision, change } of listOf(await history('role', name))) {
        const then = await at('role', name, `revision=${revision}`);
        expect(then.status).toBe(change === 'deleted' ? 404 : 200);
        const changed = fields.find(({ path }) => path.at(-1) === 'kubernetes_groups');
        if (changed && 'after' in changed) expect(groupsOf(then.body)).toEqual(changed.after);
      }
    }),
    { numRuns: 15 },
  );
});

/** Does the steps, and notes after each what is there. */
async function live(name: string, steps: readonly Step[]): Promise<Seen[]> {
  const seen: Seen[] = [];
  const written: string[] = [];
  for (const each of steps) {
    if (each.does === 'put')
      written.push(revisionOf(await put('role', name, role(name, { kubernetes_groups: each.groups }))));
    if (each.does === 'delete') await remove('role', name);
    if (each.does === 'restore' && written[0] !== undefined)
      await restore(`role/${name}`, { to: written[0] });
    const now = await get('role', name);
    seen.push({ time: await between(), groups: now.status === 200 ? groupsOf(now.body) : undefined });
  }
  return seen;
}

function groupsOf(document: Reply['body']): string[] {
  return (document['spec'] as { allow: { kubernetes_groups?: string[] } }).allow.kubernetes_groups ?? [];
}

async function secretRows(id: string): Promise<{ readonly rows: number }> {
  const found = await service.store.db
    .selectFrom('resource_secret')
    .select('ref')
    .where('id', '=', id)
    .execute();
  return { rows: found.length };
}
