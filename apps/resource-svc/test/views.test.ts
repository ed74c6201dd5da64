import { openView, readViewStream, type View } from '@postern/bus';
import { compileSelector } from '@postern/access';
import { agentSubjects, everything, type Selector, selectorHash } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Client } from './support/client.ts';
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

const write = (document: { kind: string; metadata: { name: string } }) =>
  admin({ method: 'PUT', path: `/v1/resources/${document.kind}/${document.metadata.name}`, body: document });
const remove = (kind: string, name: string) =>
  admin({ method: 'DELETE', path: `/v1/resources/${kind}/${name}` });
const env = (value: string): Selector => ({ kinds: ['kube_cluster'], any: [{ labels: { env: [value] } }] });

let agents = 0;

function open(selector: Selector, agentId = `agent-${(agents += 1)}`): View {
  const view = openView(service.bus, { agentId, selector });
  onTestFinished(() => view.close());
  return view;
}

const namesIn = (view: View, kind = 'kube_cluster') =>
  view
    .entries(kind)
    .map(({ id }) => id)
    .toSorted();
const shows = (view: View, names: string[], kind = 'kube_cluster') =>
  expect.poll(() => namesIn(view, kind), { timeout: 10_000, interval: 5 }).toEqual(names);

describe('a view', () => {
  test('holds what was there before it was opened', async () => {
    await write(cluster('old-1', { env: 'backfill' }));
    await write(cluster('old-2', { env: 'other' }));
    const view = open(env('backfill'));
    await view.ready;
    expect(namesIn(view)).toEqual(['old-1']);
    expect(view.get('kube_cluster', 'old-1')).toMatchObject({ rev: 1, resource: { spec: {} } });
  });

  test('shows a change within moments', async () => {
    const view = open(env('live'));
    await view.ready;
    const { body } = await write(cluster('live-1', { env: 'live' }));
    await shows(view, ['live-1']);
    expect(view.get('kube_cluster', 'live-1')?.revision).toBe(
      (body['metadata'] as { revision: string }).revision,
    );
  });

  test('loses a cluster whose labels stop matching, and gains it again', async () => {
    const view = open(env('relabel'));
    await view.ready;
    await write(cluster('relabel-1', { env: 'relabel' }));
    await shows(view, ['relabel-1']);
    await write(cluster('relabel-1', { env: 'away' }));
    await shows(view, []);
    await write(cluster('relabel-1', { env: 'relabel' }));
    await shows(view, ['relabel-1']);
  });

  test('loses a cluster that is deleted, and gains it when it is made again', async () => {
    const view = open(env('delete'));
    await write(cluster('delete-1', { env: 'delete' }));
    await shows(view, ['delete-1']);
    await remove('kube_cluster', 'delete-1');
    await shows(view, []);
    await write(cluster('delete-1', { env: 'delete' }));
    await shows(view, ['delete-1']);
    expect(view.get('kube_cluster', 'delete-1')?.rev).toBe(3);
  });

  test('is shared by agents with the same matchers', async () => {
    const [one, other] = [
      open(env('shared')),
      open({ kinds: ['kube_cluster'], any: [...env('shared').any, ...env('shared').any] }),
    ];
    expect(one.hash).toBe(other.hash);
    await write(cluster('shared-1', { env: 'shared' }));
    await Promise.all([shows(one, ['shared-1']), shows(other, ['shared-1'])]);
    expect(await service.store.load(`view/${one.hash}`)).toHaveLength(1);
  });

  test('does not miss what is written while it is opened', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `race-${String(i).padStart(2, '0')}`);
    const writing = Promise.all(names.map((name) => write(cluster(name, { env: 'race' }))));
    const view = open(env('race'));
    await writing;
    await shows(view, names);
  });

  test('holds tokens by the digest of their name only', async () => {
    const id = 'inventory-1';
    await service.joined(id, ['Auth']);
    const view = open(everything('token'), id);
    const name = `${canary}-token-in-a-view`;
    await write(token(name));
    await expect
      .poll(() => view.get('token', sha256Hex(name))?.resource?.metadata.name, { timeout: 10_000 })
      .toMatch(/^\*+/);
  });

  test('of roles and users opens for the control plane only', async () => {
    await service.joined('kube-1', ['Kube']);
    const ask = (id: string, ...kinds: string[]) =>
      service.bus.request(
        agentSubjects.openView(id),
        { selector: everything(...kinds) },
        { timeoutMs: 10_000 },
      );
    expect(await ask('kube-1', 'kube_cluster')).toMatchObject({ ok: true });
    for (const kind of ['role', 'user', 'token']) {
      expect(await ask('kube-1', 'kube_cluster', kind)).toMatchObject({
        ok: false,
        code: 'resource.view_forbidden',
      });
    }
    expect(await ask('join-svc-1', 'role', 'user', 'token')).toMatchObject({ ok: true });
    await service.joined('edge-7', ['Proxy']);
    expect(await ask('edge-7', 'role', 'user')).toMatchObject({ ok: true });
    expect(await ask('edge-7', 'role', 'user', 'token')).toMatchObject({ ok: false });
  });

  test('of roles, users or tokens is read by nobody else, although its name can be guessed', async () => {
    await service.joined('kube-2', ['Kube']);
    const selectors = [everything('role', 'user'), everything('token'), everything('kube_cluster', 'role')];
    for (const selector of selectors) {
      const own = open(selector, 'join-svc-2');
      await own.ready;
      const read = (id: string) =>
        service.bus.request(agentSubjects.snapshot(id), { hash: selectorHash(selector), after: '' });
      expect(await read('join-svc-2')).toMatchObject({ ok: true });
      expect(await read('kube-2')).toEqual({ ok: false, code: 'unknown_view', entries: [], next: '' });
      expect(await read('never-joined')).toMatchObject({ ok: false });
    }
  });

  test('with a selector that makes no sense is refused', async () => {
    const ask = (selector: unknown) => service.bus.request(agentSubjects.openView('a'), { selector });
    const cases = [
      null,
      { kinds: ['pod'], any: [] },
      { kinds: ['kube_clusters'], any: [] },
      { kinds: ['kube_cluster'], any: [{ labels: { a: ['^(b$'] } }] },
      { kinds: ['kube_cluster'], any: Array.from({ length: 100 }, () => ({ labels: { a: ['b'] } })) },
    ];
    for (const selector of cases) expect(await ask(selector)).toMatchObject({ ok: false });
  });

  test('that nobody opened is unknown', async () => {
    const ask = (hash: unknown) => service.bus.request(agentSubjects.snapshot('a'), { hash, after: '' });
    for (const hash of ['0'.repeat(32), 'view.>', 5])
      expect(await ask(hash)).toMatchObject({ ok: false, code: 'unknown_view' });
  });

  test('is closed when nobody reads it, and is whole when it is opened again', async () => {
    const first = open(env('closed'));
    await write(cluster('closed-1', { env: 'closed' }));
    await shows(first, ['closed-1']);
    first.close();
    await expect.poll(() => ageAndCount(first.hash), { timeout: 10_000 }).toBe(2);
    await write(cluster('closed-2', { env: 'closed' }));
    await remove('kube_cluster', 'closed-1');
    const again = open(env('closed'));
    await again.ready;
    expect(namesIn(again)).toEqual(['closed-2']);
  });

  test('shows no secret', async () => {
    await write(cluster('canary-cluster', { env: 'secret' }));
    const view = open(env('secret'));
    await shows(view, ['canary-cluster']);
    const text = JSON.stringify(await readViewStream(service.bus));
    expect(text).toContain('canary-cluster');
    for (const secret of [canary, kubeconfig.slice(0, 50)]) expect(text).not.toContain(secret);
  });

  test('ends at last as its selector says, whatever happened before', async () => {
    const selectors = [
      env('p1'),
      env('p2'),
      { kinds: ['kube_cluster'], any: [...env('p1').any, { labels: { team: ['a*'] } }] },
    ];
    const step = fc.record({
      name: fc.constantFrom('m-1', 'm-2', 'm-3', 'm-4'),
      labels: fc.option(
        fc.record(
          { env: fc.constantFrom('p1', 'p2'), team: fc.constantFrom('a1', 'b') },
          { requiredKeys: [] },
        ),
        { nil: undefined },
      ),
      view: fc.option(fc.nat(2), { nil: undefined }),
      isAlone: fc.boolean(),
    });
    const views: View[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const pending: Promise<unknown>[] = [];
        for (const { name, labels, view, isAlone } of steps) {
          if (view !== undefined) views.push(open(selectors[view]!));
          const change = labels ? write(cluster(name, labels)) : remove('kube_cluster', name);
          if (isAlone) await change;
          else pending.push(change);
        }
        await Promise.all(pending);
        const all = (await admin({ path: '/v1/resources/kube_cluster' })).body['resources'] as {
          metadata: { name: string; labels: Record<string, string> };
        }[];
        for (const [index, selector] of selectors.entries()) {
          const expected = all
            .filter(({ metadata }) => compileSelector(selector)(metadata.labels))
            .map(({ metadata }) => metadata.name);
          for (const view of views.filter(({ hash }) => hash === selectorHash(selectors[index]!)))
            await shows(view, expected.toSorted());
        }
      }),
      { numRuns: 8 },
    );
  });
});

/** Makes every lease on a view old, and counts what happened to the view. */
async function ageAndCount(hash: string): Promise<number> {
  const { db } = service.store;
  await db
    .updateTable('view_reader')
    .set({ last_seen: new Date(0) })
    .where('hash', '=', hash)
    .execute();
  await db
    .updateTable('view')
    .set({ opened_at: new Date(0) })
    .where('hash', '=', hash)
    .execute();
  return (await service.store.load(`view/${hash}`)).length;
}

describe('a resource that is too large for a message', () => {
  test('is in no view, and keeps no other from being there', async () => {
    const view = open({ ...env('large'), secrets: true }, 'kube-large');
    await service.joined('kube-large', ['Kube']);
    await view.ready;
    const pad = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`pad-${at}`, 'x'.repeat(1000)]));
    await write(cluster('fits', { env: 'large', ...pad }));
    await shows(view, ['fits']);
    const huge = { ...cluster('huge', { env: 'large' }) };
    await write({
      ...huge,
      metadata: { ...huge.metadata, description: 'y'.repeat(999_400) },
    } as typeof huge);
    await write(cluster('after', { env: 'large' }));
    await shows(view, ['after', 'fits']);
    await expect
      .poll(() => service.telemetry.lines.filter((line) => line.includes('too large for its views')).length, {
        timeout: 10_000,
      })
      .toBeGreaterThan(0);
  });
});

describe('the replica that keeps the views', () => {
  test('is followed by another when it ends', async () => {
    const second = await service.replica();
    const view = open(env('failover'));
    await view.ready;
    await service.stop(second);
    const third = await service.replica();
    await write(cluster('failover-1', { env: 'failover' }));
    await shows(view, ['failover-1']);
    await service.stop(third);
  });

  test('repairs what the bus lost', async () => {
    const view = open(env('lost'));
    await write(cluster('lost-1', { env: 'lost' }));
    await shows(view, ['lost-1']);
    await service.nats.kill9();
    await write(cluster('lost-2', { env: 'lost' }));
    await remove('kube_cluster', 'lost-1');
    await service.nats.start();
    await shows(view, ['lost-2']);
  }, 60_000);
});

describe('users and roles', () => {
  test('reach a view in the order of their writing', async () => {
    await service.joined('edge', ['Proxy']);
    const view = open(everything('role', 'user'), 'edge');
    await view.ready;
    await write(role('ordered', {}));
    await write(user('ordered-user', ['ordered']));
    await expect.poll(() => view.get('user', 'ordered-user')?.rev, { timeout: 10_000 }).toBe(1);
    expect(view.get('role', 'ordered')?.rev).toBe(1);
  });
});
