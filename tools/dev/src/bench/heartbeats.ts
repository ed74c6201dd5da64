import { Secret, delay, systemClock } from '@postern/core';
import { openInventoryStore } from '@postern/inventory-svc';
import { startTelemetry } from '@postern/telemetry';
import { until } from '@postern/testkit';
import { cpuSeconds } from './cpu.ts';
import type { HeartbeatPlan } from './heartbeat-process.ts';
import { processesIn, toldBy } from './join-rig.ts';
import { descendants } from './machine.ts';
import { startServers } from './servers.ts';
import type { Measured } from './table.ts';

const agents = 100_000;
const intervalMs = 30_000;
const seconds = 40;
const mostOfACore = 0.2;

/**
 * What a fleet costs that does nothing but say that it is there, once everybody has come: over the bus to inventory-svc and into
 * Postgres, which syncs.
 */
export async function benchHeartbeats(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const servers = await startServers(folder, scope);
  const start = processesIn(folder, scope);
  const inventory = start('inventory-process.ts', servers);
  await toldBy(inventory);
  const store = await openStore(servers.postgresUrl, scope);
  const plan: HeartbeatPlan = { natsUrl: servers.natsUrl, agents, intervalMs };
  await toldBy(start('heartbeat-process.ts', plan));
  const known = () => countAgents(store);
  await until('everybody has come', async () => (await known()).online === agents, { withinMs: 180_000 });
  await until('that is published', async () => (await waiting(store)) === 0, { withinMs: 60_000 });
  const postgres = () =>
    cpuSeconds([servers.postgresPid, ...descendants(servers.postgresPid)], { ended: true });
  const before = [cpuSeconds([inventory.pid!]), postgres(), cpuSeconds([servers.natsPid])];
  const beats = (await known()).sequences;
  const started = performance.now();
  await delay(seconds * 1000);
  const elapsed = (performance.now() - started) / 1000;
  const after = [cpuSeconds([inventory.pid!]), postgres(), cpuSeconds([servers.natsPid])];
  const { online, late, sequences } = await known();
  const [own = 0, database = 0, nats = 0] = after.map((cpu, at) => (cpu - before[at]!) / elapsed);
  const rate = (sequences - beats) / elapsed;
  return [
    {
      path: `heartbeats of ${agents.toLocaleString('en')} agents every ${intervalMs / 1000} s`,
      figure: `${Math.round(rate).toLocaleString('en')}/s written; ${online.toLocaleString('en')} online, ${late} of them late`,
    },
    shareRow('  inventory-svc', own),
    shareRow('  Postgres, all of its processes', database),
    { path: '  nats-server', figure: `${(nats * 100).toFixed(1)} % of a core` },
  ];
}

function shareRow(path: string, share: number): Measured {
  const figure = `${(share * 100).toFixed(1)} % of a core`;
  return { path, figure, target: `≤ ${mostOfACore * 100} %`, met: share <= mostOfACore };
}

type Store = Awaited<ReturnType<typeof openInventoryStore>>;

async function openStore(postgresUrl: string, scope: AsyncDisposableStack): Promise<Store> {
  const telemetry = scope.use(startTelemetry('bench', { level: 'warn' }));
  return scope.use(await openInventoryStore(new Secret(postgresUrl), { telemetry, clock: systemClock }));
}

interface Known {
  readonly online: number;
  /** Not heard of for longer than an interval and what a second flush takes. */
  readonly late: number;
  /** Heartbeats that the rows stand for. */
  readonly sequences: number;
}

async function countAgents({ db }: Store): Promise<Known> {
  const due = new Date(Date.now() - intervalMs - 3000);
  const row = await db
    .selectFrom('agent')
    .where('presence', '=', 'online')
    // Services say that they are there as well.
    .where('hostname', 'like', 'host-%')
    .select((of) => [
      of.fn.countAll<number>().as('online'),
      of.fn.countAll<number>().filterWhere('last_seen', '<', due).as('late'),
      of.fn.sum<string | null>('sequence').as('sequences'),
    ])
    .executeTakeFirstOrThrow();
  const { online, late, sequences } = row;
  return { online, late, sequences: Number(sequences) };
}

/** How many events are not known to be published yet. */
async function waiting({ db }: Store): Promise<number> {
  const { count } = await db
    .withTables<{ es_outbox: { readonly seq: number } }>()
    .selectFrom('es_outbox')
    .select((of) => of.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}
