import { anyAgent, everything, selectorHash, type ViewEntry } from '@postern/contracts';
import { silentTelemetry } from '@postern/telemetry';
import { testNats, until } from '@postern/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Bus,
  connectBus,
  openView,
  readViewPage,
  readViewStream,
  storeViewEntry,
  viewStream,
} from '../src/index.ts';

let nats: Awaited<ReturnType<typeof testNats>>;
let service: Bus;
let agent: Bus;
let scope: AsyncDisposableStack;
let opened: Set<string>;
let pages: number;

const selector = everything('kube_cluster');
const hash = selectorHash(selector);
const cluster = (id: string, rev = 1): ViewEntry => ({
  kind: 'kube_cluster',
  id,
  rev,
  revision: String(rev),
  resource: {
    kind: 'kube_cluster',
    version: 'v3',
    metadata: { name: id, labels: { env: 'prod' } },
    spec: {},
  },
});
const place = { hash, generation: 1 };
const put = (id: string, rev = 1) => storeViewEntry(service, place, cluster(id, rev));
const remove = (id: string, rev: number) =>
  storeViewEntry(service, place, { kind: 'kube_cluster', id, rev, revision: '' });

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  opened = new Set();
  pages = 0;
  nats = scope.use(await testNats());
  service = scope.use(await connectBus({ servers: nats.url, name: 'service' }));
  agent = scope.use(await connectBus({ servers: nats.url, name: 'agent' }));
  await service.reconcileStreams([viewStream()]);
  service.subscribe(anyAgent.openView, { queue: 'resource' }, (message) => {
    const request = message.json() as unknown as { selector: typeof selector };
    opened.add(selectorHash(request.selector));
    message.respond({ ok: true, hash: selectorHash(request.selector) });
  });
  service.subscribe(anyAgent.snapshot, { queue: 'resource' }, async (message) => {
    const { hash, after } = message.json() as { hash: string; after: string };
    pages += 1;
    if (!opened.has(hash)) return message.respond({ ok: false, code: 'unknown_view', entries: [], next: '' });
    message.respond(await readViewPage(service, { hash, generation: 1 }, after, 10));
  });
  await service.flush();
});

afterEach(() => scope.disposeAsync());

const open = (options: Partial<Parameters<typeof openView>[1]> = {}) =>
  scope.use(openView(agent, { agentId: 'a1', selector, ...options }));
const names = (view: ReturnType<typeof open>) =>
  view
    .entries('kube_cluster')
    .map((entry) => `${entry.id}@${entry.rev}`)
    .toSorted();

describe('a view', () => {
  test('holds what was there, what comes and not what goes', async () => {
    for (let index = 0; index < 25; index += 1) await put(`c${index}`);
    const changes: string[] = [];
    const view = open({ onChange: (entry) => void changes.push(`${entry.id}${entry.resource ? '+' : '-'}`) });
    await view.ready;
    expect(view.entries('kube_cluster')).toHaveLength(25);
    expect(pages).toBe(3);
    await put('new.name/with signs');
    await remove('c3', 2);
    await until('the removal is seen', () => changes.includes('c3-'));
    expect(view.get('kube_cluster', 'c3')).toBeUndefined();
    expect(view.get('kube_cluster', 'new.name/with signs')).toEqual(cluster('new.name/with signs'));
    expect(view.entries('kube_cluster')).toHaveLength(25);
    expect(Date.now() - view.lastContactAt().getTime()).toBeLessThan(5000);
  });

  test('of nothing is ready and empty', async () => {
    const view = open();
    await view.ready;
    expect(names(view)).toEqual([]);
  });

  test('does not hold what was removed before it was opened', async () => {
    await put('a');
    await put('b');
    await remove('a', 2);
    const view = open();
    await view.ready;
    expect(names(view)).toEqual(['b@1']);
  });

  test('is exactly right after the server was killed while much changed', async () => {
    for (let index = 0; index < 40; index += 1) await put(`c${index}`);
    const view = open();
    await view.ready;
    await nats.kill9();
    await nats.start();
    await until('the service is back', () => service.isConnected);
    for (let index = 0; index < 40; index += 2) await remove(`c${index}`, 2);
    for (let index = 40; index < 50; index += 1) await put(`c${index}`, 2);
    for (let index = 1; index < 40; index += 2) await put(`c${index}`, 3);
    const odd = Array.from({ length: 20 }, (_, index) => `c${index * 2 + 1}@3`);
    const expected = [...odd, ...Array.from({ length: 10 }, (_, index) => `c${index + 40}@2`)].toSorted();
    await until(
      'the view is as it should be',
      () => JSON.stringify(names(view)) === JSON.stringify(expected),
    );
    await nats.kill9();
    await nats.start();
    const again = open();
    await again.ready;
    expect(names(again)).toEqual(expected);
    expect(again.position()).toBe(view.position());
  });

  test('is opened again when the other side gave it up', async () => {
    await put('a');
    const view = open({ snapshotIntervalMs: 50 });
    await view.ready;
    opened.clear();
    await until('it is opened again', () => opened.has(hash));
    expect(names(view)).toEqual(['a@1']);
  });

  test('reads everything again now and then', async () => {
    const view = open({ snapshotIntervalMs: 50 });
    await view.ready;
    const before = pages;
    await until('another snapshot is read', () => pages > before + 1);
  });

  test('reads everything again when a live change was missed', async () => {
    const view = open();
    await view.ready;
    await put('a', 1);
    await until('the change is seen', () => view.get('kube_cluster', 'a') !== undefined);
    const before = pages;
    const headers = { 'Nats-Stream': 'VIEW', 'Nats-Sequence': '900', 'Nats-Last-Sequence': '899' };
    service.publish(`live.view.${hash}.1.kube_cluster.a`, cluster('a', 2), headers);
    await until('another snapshot is read', () => pages > before);
  });

  test('is not read where it was before it was written anew', async () => {
    await storeViewEntry(service, { hash, generation: 2 }, cluster('a'));
    let generation = 2;
    const replica = scope.use(await connectBus({ servers: nats.url, name: 'replica' }));
    await service[Symbol.asyncDispose]();
    replica.subscribe(anyAgent.openView, {}, (message) => message.respond({ ok: true, hash }));
    replica.subscribe(anyAgent.snapshot, {}, async (message) => {
      pages += 1;
      message.respond(await readViewPage(replica, { hash, generation }, '', 10));
    });
    await replica.flush();
    const view = open({ snapshotIntervalMs: 50 });
    await view.ready;
    generation = 1;
    const before = pages;
    await until('older pages were answered', () => pages > before + 2);
    expect(names(view)).toEqual(['a@1']);
  });

  test('waits for a service that is not there yet', async () => {
    await service[Symbol.asyncDispose]();
    const view = open();
    let isReady = false;
    void view.ready.then(() => (isReady = true));
    await agent.flush();
    expect(isReady).toBe(false);
  });

  test('is quiet about a service that is not there yet, and loud when it stays away', async () => {
    await service[Symbol.asyncDispose]();
    const telemetry = silentTelemetry();
    const bus = scope.use(await connectBus({ servers: nats.url, name: 'late', telemetry }));
    scope.use(openView(bus, { agentId: 'a1', selector }));
    const said = (level: string) =>
      telemetry.lines.filter(
        (line) => line.includes('cannot be read yet') && line.includes(`"level":"${level}"`),
      );
    await until('it is told quietly', () => said('debug').length > 1);
    expect(said('warn')).toEqual([]);
    await until('it is told loudly', () => said('warn').length > 0, { withinMs: 20_000 });
    expect(said('debug').length).toBeLessThanOrEqual(5);
  });

  test('is loud at once about a refusal', async () => {
    await service[Symbol.asyncDispose]();
    const stricter = scope.use(await connectBus({ servers: nats.url, name: 'stricter' }));
    stricter.subscribe(anyAgent.openView, {}, (message) =>
      message.respond({ ok: false, code: 'resource.view_forbidden', message: 'not for you' }),
    );
    await stricter.flush();
    const telemetry = silentTelemetry();
    const bus = scope.use(await connectBus({ servers: nats.url, name: 'refused', telemetry }));
    scope.use(openView(bus, { agentId: 'a1', selector }));
    const warning = () => telemetry.lines.find((line) => line.includes('"level":"warn"'));
    expect(await until('it is told', warning)).toContain('not for you');
  });
});

describe('the stored view', () => {
  test('is read in pages that miss nothing that changes meanwhile', async () => {
    for (let index = 0; index < 6; index += 1) await put(`c${index}`);
    const first = await readViewPage(service, place, '', 4);
    expect(first.entries.map((entry) => entry.id)).toEqual(['c0', 'c1', 'c2', 'c3']);
    await put('c5', 2);
    const second = await readViewPage(service, place, first.next, 4);
    expect(second).toMatchObject({
      next: '',
      entries: [
        { id: 'c4', rev: 1 },
        { id: 'c5', rev: 2 },
      ],
    });
  });

  test('is read in pages that fit into a message, however large its entries are', async () => {
    const large = (id: string, kilobytes: number): ViewEntry => ({
      ...cluster(id),
      sealed: 'x'.repeat(kilobytes * 1024),
    });
    const sizes = [300, 300, 700, 10, 900, 200];
    for (const [index, kilobytes] of sizes.entries())
      await storeViewEntry(service, place, large(`c${index}`, kilobytes));
    const seen: string[] = [];
    for (let after = ''; ;) {
      const page = await readViewPage(service, place, after);
      expect(JSON.stringify(page).length).toBeLessThan(1024 * 1024);
      seen.push(...page.entries.map(({ id }) => id));
      if (page.next === '') break;
      after = page.next;
    }
    expect(seen).toEqual(sizes.map((_, index) => `c${index}`));
  });

  test('takes no entry that would fit into no message', async () => {
    const large = { ...cluster('large'), sealed: 'x'.repeat(1024 * 1024) };
    await expect(storeViewEntry(service, place, large)).rejects.toMatchObject({
      code: 'bus.view_entry_too_large',
    });
  });

  test('holds tombstones for whoever compares all of it', async () => {
    await put('a');
    await remove('b', 7);
    expect(await readViewStream(service)).toMatchObject([
      { hash, id: 'a', rev: 1, sequence: 1 },
      { hash, kind: 'kube_cluster', id: 'b', rev: 7, sequence: 2 },
    ]);
  });

  test('refuses hashes and places that are none', async () => {
    await expect(readViewPage(service, { hash: '*', generation: 1 }, '')).rejects.toMatchObject({
      code: 'bus.invalid_view',
    });
    await expect(readViewPage(service, place, '-1')).rejects.toMatchObject({ code: 'bus.invalid_view' });
    await expect(readViewPage(service, { hash, generation: 0 }, '')).rejects.toMatchObject({
      kind: 'invalid_argument',
    });
  });
});
