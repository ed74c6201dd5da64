import { spawn } from 'node:child_process';
import { once as onceEmitted } from 'node:events';
import { join } from 'node:path';
import { type Bus, connectBus, eventStream, eventStreamTarget } from '@postern/bus';
import { uuidv7 } from '@postern/core';
import { type TestNats, testNats, type TestPostgres, testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EventStore, listParked, openEventStore, startRelay } from '../src/index.ts';

let scope: AsyncDisposableStack;
let postgres: TestPostgres;
let nats: TestNats;
let store: EventStore;
let bus: Bus;

beforeAll(async () => {
  scope = new AsyncDisposableStack();
  [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  scope.use(postgres);
  scope.use(nats);
  store = scope.use(await openEventStore({ url: postgres.url, schema: 'join', context: 'join' }));
  bus = scope.use(await connectBus({ servers: nats.url, name: 'test' }));
  await bus.reconcileStreams([eventStream('join')]);
  scope.use(startRelay({ store, target: eventStreamTarget(bus, 'join') }));
  // Without a key of its own: an effect that happens twice is there twice.
  await sql`create table effect (event_id uuid not null)`.execute(store.db);
});

afterAll(() => scope.disposeAsync());

async function startConsumer() {
  const script = join(import.meta.dirname, 'effect-process.ts');
  const child = spawn(process.execPath, [script, postgres.url, nats.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.defer(() => void child.kill('SIGKILL'));
  await onceEmitted(child.stdout, 'data');
  return async () => {
    const ended = onceEmitted(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
}

const effects = async () => {
  const { rows } = await sql<{ n: number }>`select count(*) as n from effect`.execute(store.db);
  return rows[0]!.n;
};

describe('the effects of events', () => {
  test('happen once each, and what cannot be handled is parked, though the consumer and the bus are killed again and again', async () => {
    const total = 3000;
    const item = (index: number) => ({
      stream: `thing/${index}`,
      version: 1,
      id: uuidv7(),
      event: { type: 'ThingHappened', v: 1, data: { index } },
    });
    await store.append(Array.from({ length: total }, (_, index) => item(index)));
    const unlucky = total / 100;
    for (let kill = 1; (await effects()) < total - unlucky; kill += 1) {
      const before = await effects();
      const stop = await startConsumer();
      const enough = Math.min(before + 100 * kill, total - unlucky);
      await until('it gets on', async () => (await effects()) >= enough, { everyMs: 5 });
      if (kill % 2 === 0) {
        await nats.kill9();
        await nats.start();
      }
      await stop();
    }
    await startConsumer();
    await until(
      'all that is unlucky is parked',
      async () => (await listParked(store.db, { limit: 100 })).length === unlucky,
      { withinMs: 30_000 },
    );
    const { rows } = await sql<{ twice: number }>`select count(*) - count(distinct event_id) as twice
      from effect`.execute(store.db);
    expect(rows).toEqual([{ twice: 0 }]);
    expect(await effects()).toBe(total - unlucky);
  }, 120_000);
});
