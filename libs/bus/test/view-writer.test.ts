import { anyAgent, everything, selectorHash, type ViewEntry } from '@postern/contracts';
import { testNats, until } from '@postern/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Bus,
  connectBus,
  openView,
  purgeView,
  readViewPage,
  readViewStream,
  viewStorage,
  viewStream,
  ViewWriter,
} from '../src/index.ts';

let bus: Bus;
let scope: AsyncDisposableStack;
let nats: Awaited<ReturnType<typeof testNats>>;

const selector = everything('kube_cluster');
const hash = selectorHash(selector);
const put = (id: string, rev = 1): ViewEntry => ({
  kind: 'kube_cluster',
  id,
  rev,
  revision: `r${rev}`,
  resource: { kind: 'kube_cluster', version: 'v3', metadata: { name: id }, spec: {} },
});
const gone = (id: string, rev: number): ViewEntry => ({ kind: 'kube_cluster', id, rev, revision: '' });
const sealed = (entry: ViewEntry): ViewEntry => ({ ...entry, sealed: 'sealed' });

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  nats = scope.use(await testNats());
  bus = scope.use(await connectBus({ servers: nats.url, name: 'writer' }));
  await bus.reconcileStreams([viewStream()]);
});

afterEach(() => scope.disposeAsync());

const writer = async () => {
  const made = new ViewWriter(viewStorage(bus));
  await made.claim();
  made.use({ hash, generation: 1 });
  return made;
};
const stored = async () =>
  (await readViewStream(bus)).map(
    ({ generation, id, rev, resource }) => `${generation}/${id}${resource ? '' : '-'}@${rev}`,
  );

describe('a writer of views', () => {
  test('puts nothing any more once another has begun', async () => {
    const frozen = await writer();
    await frozen.put(hash, put('a', 1));
    await frozen.check();
    const next = await writer();
    await next.put(hash, put('a', 3));
    const taken = { code: 'bus.views_taken' };
    await expect(frozen.put(hash, put('a', 2))).rejects.toMatchObject(taken);
    await expect(frozen.put(hash, put('never-there', 1))).rejects.toMatchObject(taken);
    await expect(frozen.put(hash, gone('a', 4))).rejects.toMatchObject(taken);
    await expect(frozen.check()).rejects.toMatchObject(taken);
    await next.check();
    expect(await stored()).toEqual(['1/a@3']);
  });

  test('knows how much of a view is tombstones, also after reading it', async () => {
    const one = await writer();
    for (const id of ['a', 'b', 'c']) await one.put(hash, put(id));
    await one.put(hash, gone('a', 2));
    await one.put(hash, gone('b', 2));
    await one.put(hash, put('b', 3));
    expect(one.sizeOf(hash)).toEqual({ present: 2, gone: 1 });
    const other = await writer();
    const seen: string[] = [];
    for await (const { id } of other.read(hash)) seen.push(id);
    expect(seen.toSorted()).toEqual(['b', 'c']);
    expect(other.sizeOf(hash)).toEqual({ present: 2, gone: 1 });
  });

  test('writes a view anew without its tombstones, and readers notice nothing', async () => {
    const one = await writer();
    const place = { hash, generation: 1 };
    let generation = 1;
    bus.subscribe(anyAgent.openView, {}, (message) => message.respond({ ok: true, hash }));
    bus.subscribe(anyAgent.snapshot, {}, async (message) => {
      const { after } = message.json() as { after: string };
      message.respond(await readViewPage(bus, { hash, generation }, after, 20));
    });
    for (let at = 0; at < 60; at += 1) await one.put(hash, sealed(put(`c${at}`)));
    for (let at = 0; at < 40; at += 1) await one.put(hash, gone(`c${at}`, 2));
    const changes: string[] = [];
    const view = scope.use(
      openView(bus, {
        agentId: 'a',
        selector,
        snapshotIntervalMs: 30,
        onChange: (entry) => void changes.push(`${entry.id}@${entry.rev}`),
      }),
    );
    await view.ready;
    expect(changes).toHaveLength(20);
    changes.length = 0;
    const use = await one.rewrite(hash, 2);
    use();
    generation = 2;
    expect(one.sizeOf(hash)).toEqual({ present: 20, gone: 0 });
    await purgeView(bus, place);
    await one.put(hash, gone('c41', 2));
    await one.put(hash, put('new', 1));
    await until('the changes are seen', () => changes.length === 2);
    expect(changes).toEqual(['c41@2', 'new@1']);
    expect(view.entries('kube_cluster')).toHaveLength(20);
    expect(view.get('kube_cluster', 'c42')?.sealed).toBe('sealed');
    expect(await stored()).toHaveLength(21);
  });
});
