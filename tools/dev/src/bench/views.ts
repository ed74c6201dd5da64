import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { connectBus } from '@postern/bus';
import { delay, Secret, systemClock } from '@postern/core';
import { openResourceStore } from '@postern/resource-svc';
import { silentTelemetry } from '@postern/telemetry';
import { until } from '@postern/testkit';
import { cpuSeconds } from './cpu.ts';
import { Deliveries } from './deliveries.ts';
import { PlantedClusters, wakeOnCommit } from './planted-clusters.ts';
import { atRate, Samples } from './samples.ts';
import { type Servers, startServers } from './servers.ts';
import type { Measured } from './table.ts';
import { type Watched, watchUse } from './use.ts';
import { ViewReaders } from './view-readers.ts';

/** How large a world to measure in. */
export interface ViewsPlan {
  readonly clusters: number;
  readonly selectors: number;
  /** As many readers as open within `openingMs`, at most. */
  readonly readers: number;
  readonly openingMs: number;
  readonly idleMs: number;
  /** Changes of single clusters, at one rate after the other. */
  readonly loads: readonly ChangeLoad[];
}

interface ChangeLoad {
  readonly perSecond: number;
  readonly changes: number;
  /** Whether this is the load for which a latency is promised. */
  readonly isPromised?: boolean;
}

const usualPlan: ViewsPlan = {
  clusters: 100_000,
  selectors: 200,
  readers: 1000,
  openingMs: 120_000,
  idleMs: 10_000,
  loads: [
    { perSecond: 40, changes: 400, isPromised: true },
    { perSecond: 200, changes: 2000 },
    { perSecond: 1000, changes: 10_000 },
  ],
};
const openingAtOnce = 8;
const quietReaders = 20;

interface World {
  readonly plan: ViewsPlan;
  readonly planted: PlantedClusters;
  readonly readers: ViewReaders;
  readonly deliveries: Deliveries;
  readonly service: ChildProcess;
  readonly watched: Watched;
}

/** What it costs to read a label view: all of it for a new reader, and each change for everyone who reads it. */
export async function benchViews(
  folder: string,
  scope: AsyncDisposableStack,
  plan = usualPlan,
): Promise<Measured[]> {
  const servers = await startServers(folder, scope);
  const started = performance.now();
  const world = await makeWorld(servers, scope, plan);
  const setUp = {
    path: `set-up of ${plan.clusters.toLocaleString('en')} clusters`,
    figure: `${((performance.now() - started) / 1000).toFixed(0)} s`,
  };
  const first = await openEverySelector(world);
  const shared = await openMoreReaders(world);
  const quiet = await openQuietly(world);
  const rows = [setUp, first, quiet, ...shared, await measureIdle(world)];
  for (const load of plan.loads) rows.push(...(await measureChanges(world, load)));
  return rows;
}

async function makeWorld(servers: Servers, scope: AsyncDisposableStack, plan: ViewsPlan): Promise<World> {
  const deps = { telemetry: silentTelemetry('bench'), clock: systemClock };
  const store = scope.use(await openResourceStore(new Secret(servers.postgresUrl), deps));
  const planted = new PlantedClusters(store, plan);
  await planted.plant();
  const service = await startService(servers, scope);
  const bus = scope.use(await connectBus({ servers: servers.natsUrl, name: 'bench-writer' }));
  wakeOnCommit(store, bus);
  const deliveries = new Deliveries();
  const readers = scope.use(new ViewReaders(servers.natsUrl, (entry) => deliveries.arrived(entry)));
  const watched = { 'resource-svc': service.pid!, 'nats-server': servers.natsPid };
  const world = { plan, planted, readers, deliveries, service, watched };
  await untilFollowed(world);
  return world;
}

async function startService(servers: Servers, scope: AsyncDisposableStack): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'resource-process.ts'), [JSON.stringify(servers)]);
  const exited = new Promise<never>((_, reject) =>
    child.once('exit', (code) => reject(new Error(`resource-svc ended with ${code}`))),
  );
  scope.defer(async () => {
    child.kill('SIGTERM');
    await exited.catch(() => {});
  });
  exited.catch(() => {});
  await Promise.race([new Promise((resolve) => child.once('message', resolve)), exited]);
  return child;
}

/** The events of the set-up are many; when a change made after them arrives, the views are up to date. */
async function untilFollowed({ plan, planted, readers, deliveries }: World): Promise<void> {
  await readers.open(planted.selectorOf(0), plan.clusters / plan.selectors);
  await deliveries.expect(planted.nextOf(0), 1, () => planted.change(0));
  await until('the set-up is followed', () => deliveries.missing === 0, { withinMs: 90_000 });
  deliveries.forget();
}

/** Views nobody has opened before: resource-svc finds and publishes the matches first. */
async function openEverySelector({ plan, planted, readers }: World): Promise<Measured> {
  const times = new Samples();
  const each = plan.clusters / plan.selectors;
  for (let team = 1; team < plan.selectors; team += 1)
    times.add(await readers.open(planted.selectorOf(team), each));
  return {
    path: `new selector → its first reader holds ${each} of ${plan.clusters.toLocaleString('en')}`,
    figure: times.summary,
    target: '≤ 1 s',
    met: times.at(0.99) <= 1000,
  };
}

/** Many readers of views that are there, several at once; how many depends on the machine. */
async function openMoreReaders({ plan, planted, readers, service }: World): Promise<Measured[]> {
  const each = plan.clusters / plan.selectors;
  const started = performance.now();
  const [before, cpuBefore] = [readers.count, cpuSeconds([service.pid!])];
  let next = readers.count;
  const openSome = async () => {
    while (next < plan.readers && performance.now() - started < plan.openingMs)
      await readers.open(planted.selectorOf(next++ % plan.selectors), each);
  };
  await Promise.all(Array.from({ length: openingAtOnce }, openSome));
  const [opened, seconds] = [readers.count - before, (performance.now() - started) / 1000];
  const cpu = ((cpuSeconds([service.pid!]) - cpuBefore) / opened) * 1000;
  return [
    {
      path: `${opened} more readers, ${openingAtOnce} at once`,
      figure: `${(opened / seconds).toFixed(0)} readers/s, ${cpu.toFixed(1)} ms CPU of resource-svc each`,
    },
  ];
}

async function openQuietly({ plan, planted, readers }: World): Promise<Measured> {
  const times = new Samples();
  const each = plan.clusters / plan.selectors;
  for (let at = 0; at < quietReaders; at += 1)
    times.add(await readers.open(planted.selectorOf((at * 7) % plan.selectors), each));
  return {
    path: `open view → a new reader holds ${each} of ${plan.clusters.toLocaleString('en')}`,
    figure: `p50 ${times.at(0.5).toFixed(1)} ms, slowest of ${quietReaders} ${times.at(1).toFixed(1)} ms`,
    target: '≤ 1 s',
    met: times.at(1) <= 1000,
  };
}

async function measureIdle({ plan, readers, watched }: World): Promise<Measured> {
  const use = watchUse(watched);
  await delay(plan.idleMs);
  return { path: `${readers.count} readers, nothing changes`, figure: use() };
}

/** Changes of single clusters, from before they are written until each reader of their view was told. */
async function measureChanges(
  { plan, planted, readers, deliveries, watched }: World,
  { perSecond, changes, isPromised }: ChangeLoad,
): Promise<Measured[]> {
  deliveries.forget();
  const [use, started] = [watchUse(watched), performance.now()];
  await atRate(perSecond, changes, async (at) => {
    const index = (at * 997) % planted.count;
    const told = readers.countOf(planted.selectorOf(planted.teamOf(index)));
    await deliveries.expect(planted.nextOf(index), told, () => planted.change(index));
  });
  await until('every change arrived', () => deliveries.missing === 0, { withinMs: 15_000 }).catch(() => {});
  const used = use();
  const reached = Math.round((changes * 1000) / (performance.now() - started));
  const load = `${perSecond} changes/s`;
  const { fromStart, fromCommit, missing } = deliveries;
  const latency = {
    path: `${load} → each of their readers, ${plan.selectors} selectors, ${readers.count} readers`,
    figure: `${fromStart.summary}, ${fromStart.count.toLocaleString('en')} deliveries, missing ${missing}, ${reached} changes/s reached`,
  };
  const met = fromStart.at(0.99) <= 50 && missing === 0;
  return [
    isPromised ? { ...latency, target: 'p99 ≤ 50 ms', met } : latency,
    { path: `${load}, from the commit`, figure: fromCommit.summary },
    { path: `${load}, use meanwhile`, figure: used },
  ];
}
