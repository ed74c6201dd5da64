import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ResourceUpserted } from '@postern/contracts';
import { Secret, systemClock, uuidv7 } from '@postern/core';
import type { AppendItem } from '@postern/event-store';
import { openInventoryStore } from '@postern/inventory-svc';
import { type RebuildableService, rebuildableServices } from '@postern/postern';
import { applyInline } from '@postern/projections';
import { openResourceStore, resourceList, type ResourceEventStore } from '@postern/resource-svc';
import { silentTelemetry } from '@postern/telemetry';
import { root } from '../workspace.ts';
import { cpuSeconds } from './cpu.ts';
import { descendants } from './machine.ts';
import { megabytes, peakResidentBytes } from './memory.ts';
import { inventoryHappening, PlantedHistory, resourceHappening } from './planted-history.ts';
import { Samples } from './samples.ts';
import { type Servers, startServers } from './servers.ts';
import type { Measured } from './table.ts';

/** How much there is to replay. */
export interface ReplayPlan {
  /** Of each of the two services. */
  readonly events: number;
  /** Streams over which those of resource-svc are spread. */
  readonly resources: number;
}

const usualPlan: ReplayPlan = { events: 500_000, resources: 100_000 };
const mustRate = 20_000;
const betweenWritesMs = 20;

/** How fast the rows of every projection are made again, by the command that operators use, while the services go on. */
export async function benchReplay(
  folder: string,
  scope: AsyncDisposableStack,
  plan = usualPlan,
): Promise<Measured[]> {
  const servers = await startServers(folder, scope);
  const { postgresUrl } = servers;
  const deps = { telemetry: silentTelemetry('bench'), clock: systemClock };
  const resources = scope.use(await openResourceStore(new Secret(postgresUrl), deps));
  const inventory = scope.use(await openInventoryStore(new Secret(postgresUrl), deps));
  const started = performance.now();
  await new PlantedHistory(resources).plant(plan.events, (index) => resourceHappening(index, plan.resources));
  await new PlantedHistory(inventory).plant(plan.events, inventoryHappening);
  const rows = [plantedRow(plan, performance.now() - started)];
  const live = new LiveUse(resources);
  let seconds = 0;
  for (const service of rebuildableServices.filter(({ projections }) => projections.length > 0)) {
    const rebuilt = await rebuildByCommand(service, servers, plan);
    seconds += rebuilt.seconds * service.projections.length;
    rows.push(rebuilt.row);
  }
  rows.push(...(await live.end()), totalRow(plan, seconds));
  return rows;
}

function plantedRow({ events }: ReplayPlan, ms: number): Measured {
  const rate = Math.round((events * 2_000) / ms).toLocaleString('en');
  return {
    path: `set-up of ${(events * 2).toLocaleString('en')} events`,
    figure: `${(ms / 1000).toFixed(0)} s, ${rate} events/s`,
  };
}

function totalRow({ events }: ReplayPlan, seconds: number): Measured {
  return {
    path: `${(events * 2).toLocaleString('en')} events, every projection of every service`,
    figure: `${seconds.toFixed(0)} s`,
  };
}

interface Rebuilt {
  readonly seconds: number;
  readonly row: Measured;
}

async function rebuildByCommand(
  { name, projections }: RebuildableService,
  { postgresUrl, postgresPid }: Servers,
  { events }: ReplayPlan,
): Promise<Rebuilt> {
  const [began, before] = [performance.now(), cpuOfPostgres(postgresPid)];
  const child = spawn(join(root, 'bin', 'postern'), ['rebuild', '--service', name], {
    env: { ...process.env, POSTERN_PG_URL: postgresUrl },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const { peak, cpu } = await watch(child);
  if (child.exitCode !== 0) throw new Error(`postern rebuild --service ${name} ended with ${child.exitCode}`);
  const seconds = (performance.now() - began) / 1000 / projections.length;
  const rate = events / seconds;
  const figure = `${Math.round(rate).toLocaleString('en')} events/s each, ${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s CPU and at most ${megabytes(peak)} of the program, ${(cpuOfPostgres(postgresPid) - before).toFixed(1)} s CPU of Postgres`;
  const path = `postern rebuild --service ${name}: ${projections.join(', ')}`;
  return {
    seconds,
    row: { path, figure, target: `≥ ${mustRate.toLocaleString('en')}/s`, met: rate >= mustRate },
  };
}

/** Of all its processes, those that have ended included. */
function cpuOfPostgres(pid: number): number {
  return cpuSeconds([pid, ...descendants(pid)], { ended: true });
}

/** What a program used, looked at until it ends. */
async function watch(child: ChildProcess): Promise<{ peak: number; cpu: number }> {
  const used = { peak: 0, cpu: 0 };
  const timer = setInterval(() => {
    try {
      used.peak = Math.max(used.peak, peakResidentBytes(child.pid!) || 0);
      used.cpu = cpuSeconds([child.pid!]);
    } catch {
      // It has just ended.
    }
  }, 50);
  await once(child, 'exit');
  clearInterval(timer);
  return used;
}

/** A writer and a reader of live rows, as the service has them meanwhile. */
class LiveUse {
  readonly #store: ResourceEventStore;
  readonly #writes = new Samples();
  readonly #reads = new Samples();
  readonly #ended: Promise<unknown>;
  #isEnding = false;

  constructor(store: ResourceEventStore) {
    this.#store = store;
    this.#ended = Promise.all([
      this.#repeat(this.#writes, (index) => this.#write(index)),
      this.#repeat(this.#reads, (index) => this.#read(index)),
    ]);
  }

  /** What writers and readers felt of it. Everything that was written must be in the new rows. */
  async end(): Promise<Measured[]> {
    this.#isEnding = true;
    await this.#ended;
    const { there } = await this.#store.db
      .selectFrom('resource')
      .select((row) => row.fn.countAll<number>().as('there'))
      .where('id', 'like', 'meanwhile-%')
      .executeTakeFirstOrThrow();
    if (there !== this.#writes.count)
      throw new Error(`${there} rows of ${this.#writes.count} that were written meanwhile`);
    const slowest = (samples: Samples) => `${samples.summary}, slowest ${samples.at(1).toFixed(0)} ms`;
    return [
      {
        path: `append with rows meanwhile, ${this.#writes.count} of them, all there`,
        figure: slowest(this.#writes),
      },
      { path: 'read of a row meanwhile', figure: slowest(this.#reads) },
    ];
  }

  async #repeat(samples: Samples, act: (index: number) => Promise<unknown>): Promise<void> {
    for (let index = 0; !this.#isEnding; index += 1) {
      const began = performance.now();
      await act(index);
      samples.add(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, betweenWritesMs));
    }
  }

  #write(index: number): Promise<unknown> {
    return this.#store.append([itemOf(`meanwhile-${index}`)], {
      also: (trx, events) => applyInline(resourceList, trx, events),
    });
  }

  #read(index: number): Promise<unknown> {
    const id = `role-${String(index * 5 + 4).padStart(6, '0')}`;
    return this.#store.db
      .selectFrom('resource')
      .selectAll()
      .where('kind', '=', 'role')
      .where('id', '=', id)
      .execute();
  }
}

function itemOf(id: string): AppendItem {
  const resource = { kind: 'kube_cluster', version: 'v3', metadata: { name: id }, spec: {} };
  const event = ResourceUpserted({ kind: 'kube_cluster', id, created: true, resource, secrets: {} });
  return {
    stream: `kube_cluster/${id}`,
    version: 1,
    id: uuidv7(),
    event: event as unknown as AppendItem['event'],
  };
}
