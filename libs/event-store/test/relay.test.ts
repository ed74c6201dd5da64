import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connectBus, eventStream, eventStreamName, eventStreamTarget } from '@postern/bus';
import type { Bus, DurableMessage } from '@postern/bus';
import { uuidv7 } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { memoryParking, testNats, testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EventStore, openEventStore, type Relay, type RelayTarget, startRelay } from '../src/index.ts';

let nats: Awaited<ReturnType<typeof testNats>>;
let postgres: Awaited<ReturnType<typeof testPostgres>>;
let store: EventStore;
let bus: Bus;
let scope: AsyncDisposableStack;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  nats = scope.use(await testNats());
  postgres = scope.use(await testPostgres());
  store = scope.use(await openEventStore({ url: postgres.url, schema: 'join', context: 'join' }));
  bus = scope.use(await connectBus({ servers: nats.url, name: 'test' }));
  // So short a window that the server's memory of message ids hides no mistake of the relay.
  await bus.reconcileStreams([{ ...eventStream('join'), duplicate_window: 100_000_000 }]);
});

afterEach(() => scope.disposeAsync());

const relay = (): Relay => scope.use(startRelay({ store, target: eventStreamTarget(bus, 'join') }));

let streams = 0;
const newStream = () => `thing/${(streams += 1)}`;
const append = (stream: string, version: number) =>
  store.append([
    { stream, version, id: uuidv7(), event: { type: 'ThingHappened', v: 1, data: { version } } },
  ]);

async function outboxIsEmpty() {
  const { rows } = await sql<{ n: number }>`select count(*) n from es_outbox`.execute(store.db);
  return rows[0]!.n === 0;
}

/** Everything in the JetStream stream, read from its start. */
async function published(): Promise<DurableMessage[]> {
  const { lastSequence } = await until('the stream answers', () => eventStreamTarget(bus, 'join').state());
  const got: DurableMessage[] = [];
  await using _ = bus.consumeBatches({
    stream: eventStreamName('join'),
    durable: `read_${uuidv7()}`,
    parking: memoryParking(),
    async handler(messages) {
      got.push(...messages);
    },
  });
  await until('all is read', () => (got.at(-1)?.sequence ?? 0) >= lastSequence);
  return got;
}

/** The stream holds every recorded event once, each aggregate's in order. */
async function expectComplete() {
  const messages = await published();
  const ids = messages.map((message) => message.event().id);
  const recorded = (await store.feed({ limit: 1_000_000 })).map(({ event }) => event.id);
  expect(ids.length - new Set(ids).size).toBe(0);
  expect(ids.toSorted()).toEqual(recorded.toSorted());
  const versions = new Map<string, number>();
  for (const { stream, version } of messages.map((message) => message.event())) {
    expect(version).toBe((versions.get(stream) ?? 0) + 1);
    versions.set(stream, version);
  }
}

describe('the relay', () => {
  test('publishes what was recorded, whole and in order', async () => {
    const stream = newStream();
    const { events } = await append(stream, 1);
    relay();
    await append(stream, 2);
    await until('all is published', outboxIsEmpty);
    const messages = await published();
    expect(messages[0]!.event()).toEqual(events[0]);
    expect(messages[0]!.subject).toMatch(/^evt\.join\.\d\d\.thing\.\d+\.ThingHappened$/);
    await expectComplete();
  });

  test('publishes an event whose transaction commits after later ones', async () => {
    const [late, early] = [newStream(), newStream()];
    relay();
    await store.transaction(async (trx) => {
      const item = { stream: late, version: 1, id: uuidv7(), event: { type: 'Late', v: 1, data: {} } };
      await store.append([item], { trx });
      await append(early, 1);
      await until(
        'the later one is published',
        async () => (await eventStreamTarget(bus, 'join').state()).lastSequence === 1,
      );
    });
    await until('all is published', outboxIsEmpty);
    await expectComplete();
  });

  test('wakes the leader of another replica', async () => {
    const leader = relay();
    await until('it leads', () => leader.isLeading);
    await using other = await openEventStore({ url: postgres.url, schema: 'join', context: 'join' });
    await using follower = startRelay({ store: other, target: eventStreamTarget(bus, 'join') });
    const { events } = await append(newStream(), 1);
    expect(events).toHaveLength(1);
    expect(follower.isLeading).toBe(false);
    await until('all is published', outboxIsEmpty);
  });

  test('goes on elsewhere when the leader ends', async () => {
    const first = relay();
    await until('it leads', () => first.isLeading);
    const second = relay();
    await first[Symbol.asyncDispose]();
    await until('the other leads', () => second.isLeading, { withinMs: 2000 });
    await append(newStream(), 1);
    await until('all is published', outboxIsEmpty);
    await expectComplete();
  });

  test('goes on elsewhere when the leader freezes, and is not disturbed when it wakes', async () => {
    const script = join(import.meta.dirname, 'relay-process.ts');
    const frozen = spawn(process.execPath, [script, postgres.url, nats.url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    scope.defer(() => void frozen.kill('SIGKILL'));
    await once(frozen.stdout, 'data');
    const second = relay();
    const stream = newStream();
    for (let version = 1; version <= 50; version += 1) await append(stream, version);
    frozen.kill('SIGSTOP');
    await append(stream, 51);
    // Less than two seconds on a quiet machine; the bound is for a busy one.
    await until('the other leads', () => second.isLeading, { withinMs: 8000, everyMs: 10 });
    frozen.kill('SIGCONT');
    for (let version = 52; version <= 200; version += 1) await append(stream, version);
    await until('all is published', outboxIsEmpty);
    await expectComplete();
  });

  test('is not misled by what an earlier leader still sends while it looks what is there', async () => {
    const stream = newStream();
    await append(stream, 1);
    const earlier = startRelay({ store, target: eventStreamTarget(bus, 'join') });
    await until('the first is published', outboxIsEmpty);
    await earlier[Symbol.asyncDispose]();
    for (let version = 2; version <= 10; version += 1) await append(stream, version);
    const inFlight = (await store.feed({ after: 1 })).slice(0, 3);
    const real = eventStreamTarget(bus, 'join');
    let isFirst = true;
    const target: RelayTarget = {
      async state() {
        const seen = await real.state();
        if (isFirst) expect(await real.publishBatch(inFlight, seen.lastSequence)).toEqual({ stored: 3 });
        isFirst = false;
        return seen;
      },
      tail: (count, lastSequence) => real.tail(count, lastSequence),
      publishBatch: (events, lastSequence) => real.publishBatch(events, lastSequence),
      wake: () => real.wake(),
      onWake: (listener) => real.onWake(listener),
    };
    scope.use(startRelay({ store, target }));
    await until('all is published', outboxIsEmpty);
    await expectComplete();
  });

  test('goes on elsewhere within two seconds when the leader is killed', async () => {
    const script = join(import.meta.dirname, 'relay-process.ts');
    const killed = spawn(process.execPath, [script, postgres.url, nats.url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    scope.defer(() => void killed.kill('SIGKILL'));
    await once(killed.stdout, 'data');
    const second = relay();
    const stream = newStream();
    for (let version = 1; version <= 50; version += 1) await append(stream, version);
    killed.kill('SIGKILL');
    await until('the other leads', () => second.isLeading, { withinMs: 2000, everyMs: 10 });
    for (let version = 51; version <= 60; version += 1) await append(stream, version);
    await until('all is published', outboxIsEmpty);
    await expectComplete();
  });

  test('catches up with a hundred thousand events after the server was away for longer than it remembers ids', async () => {
    relay();
    await append(newStream(), 1);
    await until('all is published', outboxIsEmpty);
    await nats.kill9();
    // As appends would, only faster: each of a thousand streams gets a hundred events.
    await sql`with e as (
      insert into es_event (event_id, stream_id, version, type, schema_version, data)
      select gen_random_uuid(), 'backlog/' || i % 1000, i / 1000 + 1, 'ThingHappened', 1, jsonb_build_object('i', i)
      from generate_series(0, 99999) i returning seq
    ) insert into es_outbox select seq from e`.execute(store.db);
    await nats.start();
    const target = eventStreamTarget(bus, 'join');
    const published = async () => (await target.state()).lastSequence;
    await until('it is catching up', async () => (await published()) > 20_000, { withinMs: 60_000 });
    // In the middle of it once more, so that what was stored and not acknowledged is found by reading.
    await nats.kill9();
    await nats.start();
    await until('all is published', outboxIsEmpty, { withinMs: 90_000 });
    await expectComplete();
  }, 240_000);

  test('tells how much waits, also while the server is away', async () => {
    const telemetry = silentTelemetry();
    scope.use(startRelay({ store, target: eventStreamTarget(bus, 'join'), telemetry }));
    const says = (line: RegExp) => until(String(line), async () => line.test(await telemetry.metrics()));
    await says(/es_outbox_rows 0/);
    await nats.kill9();
    for (let version = 1; version <= 3; version += 1) await append('thing/waiting', version);
    await says(/es_outbox_rows 3/);
    await says(/es_outbox_oldest_seconds [^0]/);
    await nats.start();
    await says(/es_outbox_rows 0/);
    await expectComplete();
  });

  test('publishes again what the stream lost', async () => {
    const stream = newStream();
    relay();
    for (let version = 1; version <= 20; version += 1) await append(stream, version);
    await until('all is published', outboxIsEmpty);
    const manager = await bus.connection.manager();
    await manager.streams.delete(eventStreamName('join'));
    await bus.reconcileStreams([eventStream('join')]);
    await append(stream, 21);
    const target = eventStreamTarget(bus, 'join');
    await until('it is filled again', async () => (await target.state()).lastSequence === 21);
    await expectComplete();
  });

  test('publishes each event once though the server and the sessions are killed again and again', async () => {
    relay();
    relay();
    const end = performance.now() + 12_000;
    const write = async () => {
      const stream = newStream();
      for (let version = 1; performance.now() < end; version += 1) {
        await append(stream, version);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    const disturb = async () => {
      while (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 600 + Math.random() * 900));
        if (Math.random() < 0.5) await killSessions();
        await nats.kill9();
        await nats.start();
      }
    };
    await Promise.all([write(), write(), write(), write(), disturb()]);
    await until('all is published', outboxIsEmpty);
    await expectComplete();
  }, 60_000);
});

/** Ends the relays' sessions, as a kill of their process would. */
async function killSessions() {
  await sql`select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and a.datname = current_database() and a.pid <> pg_backend_pid()`.execute(
    store.db,
  );
}
