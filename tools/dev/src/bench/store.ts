import { type Bus, connectBus, eventStream, eventStreamName, eventStreamTarget } from '@postern/bus';
import { ResourceUpserted } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { type AppendItem, type EventStore, openEventStore, startRelay } from '@postern/event-store';
import { until } from '@postern/testkit';
import { atRate, median, Samples } from './samples.ts';
import { type Servers, startServers } from './servers.ts';
import type { Measured } from './table.ts';

/** How much to measure. */
export interface StorePlan {
  readonly roundMs: number;
  /** The figure is the median of these. */
  readonly rounds: number;
  readonly eventsPerSecond: number;
  readonly latencyEvents: number;
}

interface Load {
  readonly writers: number;
  /** Events in each append. */
  readonly batch: number;
  /** Events per second and the 99th percentile that must be reached, where something must. */
  readonly must?: { readonly rate: number; readonly p99Ms: number };
}

const usualPlan: StorePlan = { roundMs: 1500, rounds: 3, eventsPerSecond: 200, latencyEvents: 2000 };

const loads: readonly Load[] = [
  { writers: 1, batch: 1 },
  { writers: 8, batch: 1, must: { rate: 5000, p99Ms: 10 } },
  { writers: 32, batch: 1 },
  { writers: 1, batch: 100 },
  { writers: 8, batch: 100 },
];

/** How fast events are recorded, and how soon a durable consumer has them, on a Postgres and a NATS of its own. */
export async function benchStore(
  folder: string,
  scope: AsyncDisposableStack,
  plan = usualPlan,
): Promise<Measured[]> {
  const servers = await startServers(folder, scope);
  const options = { url: servers.postgresUrl, schema: 'bench', context: 'resource' } as const;
  const store = scope.use(await openEventStore(options));
  await appendFor(store, { writers: 8, batch: 1 }, plan.roundMs);
  const rows: Measured[] = [];
  for (const load of loads) rows.push(await measureAppend(store, load, plan));
  return [...rows, ...(await measureDelivery(store, servers, { scope, plan }))];
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
  // Batches are shorter: a relay publishes all of it afterwards.
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

interface Delivery {
  readonly scope: AsyncDisposableStack;
  readonly plan: StorePlan;
}

/** Append, relay and consumer as a service has them: relay beside the store, consumer on another connection. */
async function measureDelivery(
  store: EventStore,
  servers: Servers,
  { scope, plan }: Delivery,
): Promise<Measured[]> {
  const bus = scope.use(await connectBus({ servers: servers.natsUrl, name: 'bench-relay' }));
  const reader = scope.use(await connectBus({ servers: servers.natsUrl, name: 'bench-consumer' }));
  await bus.reconcileStreams([eventStream('resource')]);
  const backlogRow = await measureBacklog(store, bus, scope);
  const committed = new Map<string, number>();
  const began = new Map<string, number>();
  const [fromCommit, fromStart] = [new Samples(), new Samples()];
  const consumption = scope.use(
    reader.consume({
      stream: eventStreamName('resource'),
      durable: 'bench',
      filterSubject: 'evt.resource.*.bench.>',
      async handler(message) {
        const { id } = message.event();
        const now = performance.now();
        // An answer of Postgres that comes after the message is a commit that took no time to arrive.
        fromCommit.add(now - (committed.get(id) ?? now));
        fromStart.add(now - began.get(id)!);
      },
    }),
  );
  await consumption.ready;
  await atRate(plan.eventsPerSecond, plan.latencyEvents, async () => {
    const item = itemOf(`bench/${uuidv7()}`, 1);
    began.set(item.id, performance.now());
    await store.append([item]);
    committed.set(item.id, performance.now());
  });
  await until('everything is delivered', () => fromCommit.count >= plan.latencyEvents);
  const at = `${plan.eventsPerSecond} events/s`;
  const met = fromCommit.at(0.5) <= 5 && fromCommit.at(0.99) <= 50;
  return [
    backlogRow,
    {
      path: `commit → durable consumer, ${at}`,
      figure: fromCommit.summary,
      target: 'p50 ≤ 5 ms, p99 ≤ 50 ms',
      met,
    },
    { path: `append begun → durable consumer, ${at}`, figure: fromStart.summary },
  ];
}

/** What the appends left in the outbox, published by a relay that starts now. */
async function measureBacklog(store: EventStore, bus: Bus, scope: AsyncDisposableStack): Promise<Measured> {
  const target = eventStreamTarget(bus, 'resource');
  const published = async () => (await target.state()).lastSequence;
  const relay = scope.use(startRelay({ store, target }));
  await until('the relay leads', () => relay.isLeading);
  const started = performance.now();
  const first = await published();
  const { count, seconds } = await untilStill(published, started);
  const rate = Math.round((count - first) / seconds).toLocaleString('en');
  return { path: 'relay of a backlog', figure: `${rate} events/s (${count.toLocaleString('en')} events)` };
}

/** Waits until a count stops growing; the seconds are those until its last growth. */
async function untilStill(
  count: () => Promise<number>,
  started: number,
): Promise<{ count: number; seconds: number }> {
  let last = { count: await count(), seconds: 0 };
  const isStill = async () => {
    const now = await count();
    const seconds = (performance.now() - started) / 1000;
    if (now !== last.count) last = { count: now, seconds };
    return last.count > 0 && seconds - last.seconds > 1;
  };
  await until('the backlog is published', isStill, { withinMs: 120_000 });
  return last;
}

/** An event of about 350 bytes, as the usual one is. */
function itemOf(stream: string, version: number): AppendItem {
  const id = stream.slice(stream.indexOf('/') + 1);
  const labels = { env: 'prod', region: 'eu-west-1', team: 'payments', 'postern.dev/origin': 'dynamic' };
  const resource = { kind: 'kube_cluster', version: 'v3', metadata: { name: id, labels }, spec: {} };
  const event = ResourceUpserted({ kind: 'kube_cluster', id, created: version === 1, resource, secrets: {} });
  return { stream, version, id: uuidv7(), event: event as unknown as AppendItem['event'] };
}
