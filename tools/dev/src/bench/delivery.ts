import { join } from 'node:path';
import {
  type Bus,
  connectBus,
  eventStream,
  eventStreamName,
  eventStreamTarget,
  factStreams,
} from '@postern/bus';
import { agentSubjects, ResourceUpserted } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { type AppendItem, type EventStore, openEventStore, startRelay } from '@postern/event-store';
import { memoryParking, until } from '@postern/testkit';
import { atRate, Samples } from './samples.ts';
import { startNatsThatSyncs, type SyncInterval } from './servers.ts';
import type { Measured } from './table.ts';

/** How much to deliver. */
export interface DeliveryPlan {
  readonly backlog: number;
  readonly eventsPerSecond: number;
  readonly latencyEvents: number;
  readonly factMs: number;
}

interface Setting {
  readonly folder: string;
  readonly postgresUrl: string;
  readonly sync: SyncInterval;
  readonly plan: DeliveryPlan;
}

/**
 * What JetStream does with events once they are recorded, on a nats-server and in a schema of its own: how fast a backlog is
 * published, how soon a durable consumer has an event, and how long a fact takes to be acknowledged.
 */
export async function measureDelivery({ folder, postgresUrl, sync, plan }: Setting): Promise<Measured[]> {
  await using scope = new AsyncDisposableStack();
  const nats = scope.use(await startNatsThatSyncs(join(folder, `nats-${sync}`), sync));
  const schema = `bench_${sync === '1s' ? 'second' : sync}`;
  const store = scope.use(await openEventStore({ url: postgresUrl, schema, context: 'resource' }));
  const bus = scope.use(await connectBus({ servers: nats.url, name: 'bench-relay' }));
  const reader = scope.use(await connectBus({ servers: nats.url, name: 'bench-consumer' }));
  await bus.reconcileStreams([eventStream('resource'), ...factStreams()]);
  const rows = [
    await measureBacklog({ store, bus, scope, count: plan.backlog }),
    ...(await measureLatency(store, reader, plan)),
    await measureFacts(bus, 1, plan),
    await measureFacts(bus, 32, plan),
  ];
  return rows.map((row) => ({ ...row, path: `sync_interval ${sync}: ${row.path}` }));
}

interface Backlog {
  readonly store: EventStore;
  readonly bus: Bus;
  readonly scope: AsyncDisposableStack;
  readonly count: number;
}

/** Events that were recorded while nobody published, and a relay that starts now. */
async function measureBacklog({ store, bus, scope, count }: Backlog): Promise<Measured> {
  for (let left = count; left > 0; left -= 500) {
    const stream = `backlog/${uuidv7()}`;
    await store.append(Array.from({ length: 500 }, (_, index) => itemOf(stream, index + 1)));
  }
  const target = eventStreamTarget(bus, 'resource');
  const relay = scope.use(startRelay({ store, target }));
  await until('the relay leads', () => relay.isLeading);
  const started = performance.now();
  const first = (await target.state()).lastSequence;
  const isPublished = async () => (await target.state()).lastSequence >= count;
  await until('the backlog is published', isPublished, { withinMs: 120_000, everyMs: 5 });
  const rate = ((count - first) * 1000) / (performance.now() - started);
  return {
    path: `relay of ${count.toLocaleString('en')}`,
    figure: `${Math.round(rate).toLocaleString('en')} events/s`,
  };
}

/** Append, relay and consumer as a service has them: relay beside the store, consumer on another connection. */
async function measureLatency(store: EventStore, reader: Bus, plan: DeliveryPlan): Promise<Measured[]> {
  const [committed, began] = [new Map<string, number>(), new Map<string, number>()];
  const [fromCommit, fromStart] = [new Samples(), new Samples()];
  await using consumption = reader.consume({
    stream: eventStreamName('resource'),
    durable: 'bench',
    filterSubject: 'evt.resource.*.bench.>',
    parking: memoryParking(),
    async handler(message) {
      const { id } = message.event();
      const now = performance.now();
      // An answer of Postgres that comes after the message is a commit that took no time to arrive.
      fromCommit.add(now - (committed.get(id) ?? now));
      fromStart.add(now - began.get(id)!);
    },
  });
  await consumption.ready;
  await atRate(plan.eventsPerSecond, plan.latencyEvents, async () => {
    const item = itemOf(`bench/${uuidv7()}`, 1);
    began.set(item.id, performance.now());
    await store.append([item]);
    committed.set(item.id, performance.now());
  });
  await until('everything is delivered', () => fromCommit.count >= plan.latencyEvents);
  const at = `${plan.eventsPerSecond} events/s`;
  return [
    {
      path: `commit → durable consumer, ${at}`,
      figure: fromCommit.summary,
      target: 'p50 ≤ 5 ms, p99 ≤ 50 ms',
      met: fromCommit.at(0.5) <= 5 && fromCommit.at(0.99) <= 50,
    },
    { path: `append begun → durable consumer, ${at}`, figure: fromStart.summary },
  ];
}

/** An edge waits for these acknowledgements before it forgets what it audited. */
async function measureFacts(bus: Bus, senders: number, { factMs }: DeliveryPlan): Promise<Measured> {
  const times = new Samples();
  const started = performance.now();
  const subject = agentSubjects.fact('bench', 'KubeRequestAudited');
  const body = itemOf('fact/bench', 1).event;
  const send = async () => {
    while (performance.now() - started < factMs) {
      const began = performance.now();
      await bus.publishDurable(subject, body, { msgId: uuidv7() });
      times.add(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: senders }, send));
  const rate = Math.round((times.count * 1000) / (performance.now() - started)).toLocaleString('en');
  return { path: `fact acknowledged, ${senders} at once`, figure: `${rate}/s, ${times.summary}` };
}

/** An event of about 350 bytes, as the usual one is. */
export function itemOf(stream: string, version: number): AppendItem {
  const id = stream.slice(stream.indexOf('/') + 1);
  const labels = { env: 'prod', region: 'eu-west-1', team: 'payments', 'postern.dev/origin': 'dynamic' };
  const resource = { kind: 'kube_cluster', version: 'v3', metadata: { name: id, labels }, spec: {} };
  const event = ResourceUpserted({ kind: 'kube_cluster', id, created: version === 1, resource, secrets: {} });
  return { stream, version, id: uuidv7(), event: event as unknown as AppendItem['event'] };
}
