import { join } from 'node:path';
import { uuidv7 } from '@postern/core';
import { type EventStore, openEventStore } from '@postern/event-store';
import { startPostgres } from '@postern/lab';
import { type DeliveryPlan, itemOf, measureDelivery } from './delivery.ts';
import { median, Samples } from './samples.ts';
import type { Measured } from './table.ts';

/** How much to measure. */
export interface StorePlan extends DeliveryPlan {
  readonly roundMs: number;
  /** The figure is the median of these. */
  readonly rounds: number;
}

interface Load {
  readonly writers: number;
  /** Events in each append. */
  readonly batch: number;
  /** Events per second and the 99th percentile that must be reached, where something must. */
  readonly must?: { readonly rate: number; readonly p99Ms: number };
}

const usualPlan: StorePlan = {
  roundMs: 1500,
  rounds: 3,
  backlog: 50_000,
  eventsPerSecond: 200,
  latencyEvents: 2000,
  factMs: 2000,
};

const loads: readonly Load[] = [
  { writers: 1, batch: 1 },
  { writers: 8, batch: 1, must: { rate: 5000, p99Ms: 10 } },
  { writers: 32, batch: 1 },
  { writers: 1, batch: 100 },
  { writers: 8, batch: 100 },
];

/** How fast events are recorded in Postgres, and what each way to sync JetStream's files costs afterwards. */
export async function benchStore(
  folder: string,
  scope: AsyncDisposableStack,
  plan = usualPlan,
): Promise<Measured[]> {
  const { url } = scope.use(await startPostgres({ dataDir: join(folder, 'postgres'), durable: true }));
  const rows = await measureAppends(url, plan);
  for (const sync of ['1s', 'always'] as const)
    rows.push(...(await measureDelivery({ folder, postgresUrl: url, sync, plan })));
  return rows;
}

async function measureAppends(url: string, plan: StorePlan): Promise<Measured[]> {
  await using store = await openEventStore({ url, schema: 'bench', context: 'resource' });
  await appendFor(store, { writers: 8, batch: 1 }, plan.roundMs);
  const rows: Measured[] = [];
  for (const load of loads) rows.push(await measureAppend(store, load, plan));
  return rows;
}

interface Round {
  readonly rate: number;
  readonly times: Samples;
}

async function measureAppend(
  store: EventStore,
  load: Load,
  { rounds, roundMs }: StorePlan,
): Promise<Measured> {
  const { writers, batch, must } = load;
  const done: Round[] = [];
  while (done.length < rounds) done.push(await appendFor(store, load, batch === 1 ? roundMs : roundMs / 4));
  const rate = median(done.map((round) => round.rate));
  const middle = done.find((round) => round.rate === rate)!;
  const row = {
    path: `append, ${writers} ${writers === 1 ? 'writer' : 'writers'}, ${batch === 1 ? 'one event' : `${batch} events`} each`,
    figure: `${Math.round(rate).toLocaleString('en')} events/s, ${middle.times.summary}`,
  };
  if (!must) return row;
  const target = `≥ ${must.rate.toLocaleString('en')}/s, p99 ≤ ${must.p99Ms} ms`;
  return { ...row, target, met: rate >= must.rate && middle.times.at(0.99) <= must.p99Ms };
}

/** Every writer appends to a stream of its own and awaits each append. */
async function appendFor(store: EventStore, { writers, batch }: Load, roundMs: number): Promise<Round> {
  const times = new Samples();
  const started = performance.now();
  const write = async () => {
    const stream = `kube_cluster/${uuidv7()}`;
    for (let version = 1; performance.now() - started < roundMs; version += batch) {
      const items = Array.from({ length: batch }, (_, index) => itemOf(stream, version + index));
      const began = performance.now();
      await store.append(items);
      times.add(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return { rate: (times.count * batch * 1000) / (performance.now() - started), times };
}
