import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileSelector } from '@postern/access';
import { connectBus, openView, type View } from '@postern/bus';
import { kubeClusterKind, type PublicResource, type Selector, selectorHash } from '@postern/contracts';
import { randomHex, Secret, systemClock, uuidv7 } from '@postern/core';
import { newKeyText, sealerFrom } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import {
  type RunningProcess,
  startProcess,
  temporaryFolder,
  testNats,
  testPostgres,
  until,
} from '@postern/testkit';
import { expect, test } from 'vitest';
import { openResourceStore } from '../src/index.ts';
import { runCommand } from '../src/resources/run-command.ts';
import { listResources } from '../src/resources/resource-table.ts';
import { makeTrust } from './support/trust.ts';

const seed = process.env['POSTERN_SEED'] ?? randomHex(4);
const selectors: Selector[] = [
  { kinds: ['kube_cluster'], any: [{ labels: { '*': ['*'] } }] },
  { kinds: ['kube_cluster'], any: [{ labels: { env: ['prod'] } }] },
  { kinds: ['kube_cluster'], any: [{ labels: { team: ['a*'] } }, { labels: { env: ['d*'] } }] },
  { kinds: ['kube_cluster'], any: [{ labels: { env: ['prod'], team: ['b'] } }] },
];
const longerThanALease = 6_500;

/** Numbers that a seed decides. */
function numbers(text: string): (below: number) => number {
  let state = Number.parseInt(text, 16) || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

async function world(scope: AsyncDisposableStack) {
  const folder = temporaryFolder();
  const [postgres, nats, trust] = await Promise.all([testPostgres(), testNats(), makeTrust()]);
  scope.use(postgres);
  scope.use(nats);
  const telemetry = silentTelemetry('test');
  const key = newKeyText();
  const start = async (name: string): Promise<RunningProcess> => {
    const identity = (await trust.held('svc', `${name}-${randomHex(4)}`, ['Auth'])).current();
    const file = join(folder, `${name}.json`);
    const setting = { postgresUrl: postgres.url, natsUrl: nats.url, key: key.reveal(), identity };
    writeFileSync(file, JSON.stringify(setting));
    const started = startProcess({
      name: `${name}-${randomHex(4)}`,
      command: process.execPath,
      args: [join(import.meta.dirname, 'support/replica-process.ts'), file],
      env: { PATH: process.env['PATH'] ?? '' },
      cwd: folder,
      logDir: folder,
    });
    await until(`${name} is ready`, () => readFileSync(started.logFile, 'utf8').includes('ready'), {
      withinMs: 60_000,
    });
    return started;
  };
  const store = scope.use(
    await openResourceStore(new Secret(postgres.url), { telemetry, clock: systemClock }),
  );
  const bus = scope.use(await connectBus({ servers: nats.url, name: 'readers', telemetry }));
  return { nats, start, store, bus, sealer: sealerFrom(key) };
}

type World = Awaited<ReturnType<typeof world>>;

/** Creates, relabels and deletes until it is told to stop. */
async function load({ store }: World, below: (n: number) => number, signal: AbortSignal): Promise<number> {
  let writes = 0;
  for (; !signal.aborted; writes += 1) {
    const id = `c${below(40)}`;
    const ref = { kind: 'kube_cluster', id };
    const labels = { env: ['prod', 'dev', 'test'][below(3)]!, team: ['a1', 'b'][below(2)]! };
    const now = new Date();
    const resource = kubeClusterKind.normalize(
      { kind: 'kube_cluster', version: 'v3', metadata: { name: id, labels }, spec: {} },
      { now },
    ) as unknown as PublicResource;
    const isDeletion = below(4) === 0;
    await runCommand(
      { store, self: 'spiffe://postern/svc/test' },
      {
        command: isDeletion
          ? { type: 'DeleteResource', ref, reason: 'removed', name: id, now }
          : { type: 'WriteResource', mode: 'put', ref, resource, secrets: {}, same: {}, dropped: [], now },
        commandId: uuidv7(),
      },
    ).catch((error: Error) => {
      if (!isDeletion) throw error;
    });
  }
  return writes;
}

test(`views are right after replicas and the bus were killed and frozen under load (seed ${seed})`, async () => {
  await using scope = new AsyncDisposableStack();
  const all = await world(scope);
  const below = numbers(seed);
  const replicas = [await all.start('one'), await all.start('two')];
  scope.defer(async () => void (await Promise.all(replicas.map((each) => each.kill9()))));
  const views: View[] = selectors.flatMap((selector, index) =>
    [0, 1].map((copy) =>
      scope.use(openView(all.bus, { agentId: `reader-${index}-${copy}`, selector, snapshotIntervalMs: 700 })),
    ),
  );
  await Promise.all(views.map((view) => view.ready));
  const ended = new AbortController();
  const writing = load(all, numbers(`${seed}1`), ended.signal);
  let frozen = below(2);
  const fault = async (kind: string) => {
    // One of two freezes hits the replica that keeps the views.
    const at = kind === 'freeze a replica' ? (frozen += 1) % 2 : below(2);
    const victim = replicas[at]!;
    if (kind === 'kill a replica') {
      await victim.kill9();
      replicas[at] = await all.start(at === 0 ? 'one' : 'two');
    } else if (kind === 'freeze a replica') {
      victim.freeze();
      await within(longerThanALease);
      victim.thaw();
    } else {
      await all.nats.kill9();
      await within(below(500));
      await all.nats.start();
    }
    await within(below(1000));
  };
  const faults = [
    'freeze a replica',
    'kill the bus',
    'kill a replica',
    'freeze a replica',
    'kill a replica',
    'kill the bus',
  ];
  for (const kind of faults) await fault(kind);
  ended.abort();
  const writes = await writing;
  expect(writes).toBeGreaterThan(500);
  const late = selectors.map((selector, index) =>
    scope.use(openView(all.bus, { agentId: `late-${index}`, selector })),
  );
  const rows = await listResources(all.store.db, 'kube_cluster', new Date());
  for (const view of [...views, ...late]) {
    const selector = selectors.find((each) => selectorHash(each) === view.hash)!;
    const matches = compileSelector(selector);
    const wanted = rows.filter(({ labels }) => matches(labels)).map(({ id, version }) => `${id}@${version}`);
    await expect
      .poll(
        () =>
          view
            .entries('kube_cluster')
            .map(({ id, rev }) => `${id}@${rev}`)
            .toSorted(),
        {
          timeout: 20_000,
          message: `view ${view.hash} after ${writes} writes`,
        },
      )
      .toEqual(wanted.toSorted());
  }
}, 180_000);

/** A fault lasts; this is its length and no waiting for something to happen. */
async function within(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until('the time of the fault is over', () => performance.now() >= end, { withinMs: ms + 5000 });
}
