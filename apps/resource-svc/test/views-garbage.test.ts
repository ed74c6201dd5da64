import { openView, readViewStream, type View } from '@postern/bus';
import type { Selector } from '@postern/contracts';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { closeView } from '../src/views/open-view.ts';
import { createSealer } from '@postern/identity';
import { cluster } from './support/documents.ts';
import { startService, type TestService } from './support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startService({ garbageAfterMs: 500 });
});

afterAll(() => service[Symbol.asyncDispose]());

const write = (name: string, env: string) =>
  service.as('admin')({
    method: 'PUT',
    path: `/v1/resources/kube_cluster/${name}`,
    body: cluster(name, { env }),
  });
const remove = (name: string) =>
  service.as('admin')({ method: 'DELETE', path: `/v1/resources/kube_cluster/${name}` });
const env = (value: string): Selector => ({ kinds: ['kube_cluster'], any: [{ labels: { env: [value] } }] });

function open(selector: Selector, onChange?: (id: string, isThere: boolean) => void): View {
  const view = openView(service.bus, {
    agentId: 'agent-1',
    selector,
    snapshotIntervalMs: 100,
    onChange: (entry) => onChange?.(entry.id, entry.resource !== undefined),
  });
  onTestFinished(() => view.close());
  return view;
}

const onBus = async (hash: string) =>
  (await readViewStream(service.bus)).filter((entry) => entry.hash === hash);

describe('the stream of views', () => {
  test('does not grow with what comes and goes, and readers see nothing of the cleaning', async () => {
    const seen: string[] = [];
    const view = open(env('churn'), (id, isThere) => void seen.push(`${isThere ? '+' : '-'}${id}`));
    await view.ready;
    await write('stays', 'churn');
    const rounds = 4;
    const each = 60;
    for (let round = 0; round < rounds; round += 1) {
      const names = Array.from({ length: each }, (_, at) => `r${round}-${at}`);
      await Promise.all(names.map((name) => write(name, 'churn')));
      await Promise.all(names.map((name) => remove(name)));
    }
    await write('last', 'churn');
    await until('everything was seen', () => view.entries('kube_cluster').length === 2);
    await until('the tombstones are gone', async () => (await onBus(view.hash)).length < 2 * each, {
      withinMs: 20_000,
    });
    const left = await onBus(view.hash);
    expect(left.length).toBeLessThan((rounds * each) / 2);
    expect(left.filter(({ id }) => id === 'stays')).toMatchObject([{ rev: 1 }]);
    expect(Math.min(...left.map(({ generation }) => generation))).toBeGreaterThan(1);
    expect(seen.filter((change) => change === '+stays')).toHaveLength(1);
    expect(seen).not.toContain('-stays');
    await write('after', 'churn');
    await until('it is seen', () => view.get('kube_cluster', 'after'));
    await remove('stays');
    await until('it is gone', () => !view.get('kube_cluster', 'stays'));
  });

  test('holds nothing of a view that was closed, and another generation when it is opened again', async () => {
    const view = open(env('shut'));
    await write('shut-1', 'shut');
    await until('it is seen', () => view.get('kube_cluster', 'shut-1'));
    const [{ generation } = { generation: 0 }] = await onBus(view.hash);
    await view[Symbol.asyncDispose]();
    const deps = {
      store: service.store,
      sealer: createSealer(Buffer.alloc(32)),
      clock: () => new Date(),
      self: 'spiffe://postern/svc/test',
      garbageAfterMs: 0,
    };
    await service.store.db.deleteFrom('view_reader').where('hash', '=', view.hash).execute();
    await closeView(deps, view.hash, new Date());
    await until('it is purged', async () => (await onBus(view.hash)).length === 0);
    const again = open(env('shut'));
    await again.ready;
    expect(again.hash).toBe(view.hash);
    expect(again.get('kube_cluster', 'shut-1')).toBeDefined();
    expect((await onBus(view.hash))[0]!.generation).toBeGreaterThan(generation);
  });

  test('is cleaned of what a crash of the server brought back', async () => {
    const rows = () => service.store.db.selectFrom('view_garbage').select('purged_at').execute();
    await until('all is purged', async () => (await rows()).every(({ purged_at }) => purged_at !== null));
    const before = (await rows()).map(({ purged_at }) => purged_at!.getTime());
    await service.nats.kill9();
    await service.nats.start();
    await until('it is purged again', async () =>
      (await rows()).every(
        ({ purged_at }) => purged_at !== null && purged_at.getTime() > Math.max(...before),
      ),
    );
  });
});
