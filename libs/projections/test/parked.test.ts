import { type Bus, connectBus, eventStream, eventStreamTarget } from '@postern/bus';
import { defineEvent, type NewEvent } from '@postern/contracts';
import { failure, uuidv7 } from '@postern/core';
import {
  dropParked,
  type EventStore,
  listParked,
  openEventStore,
  openParking,
  type Parking,
  startRelay,
} from '@postern/event-store';
import { silentTelemetry } from '@postern/telemetry';
import { testNats, testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { Type } from 'typebox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  compareWithRebuild,
  on,
  type Projection,
  projection,
  runProjections,
  untilApplied,
} from '../src/index.ts';

interface Db {
  score: { name: string; steps: number[] };
}

const Scored = defineEvent('Scored', {
  context: 'join',
  summary: 'A step was made.',
  v: 2,
  data: Type.Object({ step: Type.Integer() }),
  upcast: { 1: ({ was }) => ({ step: was! }) },
});
const Broken = failure('internal', 'test.broken', () => 'broken');

/** Steps in the order in which they were applied; 13 is unlucky for as long as the program has its mistake. */
const scores = (isMistaken: () => boolean, version = 1): Projection<Db> =>
  projection<Db>(
    'scores',
    version,
    ['score'],
    on(Scored, async (db, { step }, event) => {
      if (step === 13 && isMistaken()) throw Broken();
      await sql`insert into score values (${event.stream}, array[${step}::int])
        on conflict (name) do update set steps = score.steps || excluded.steps`.execute(db);
    }),
  );

let scope: AsyncDisposableStack;
let store: EventStore<Db>;
let bus: Bus;
let parking: Parking<Db>;
let isMistaken = true;
const telemetry = silentTelemetry();

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  isMistaken = true;
  versions.clear();
  const [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  scope.use(postgres);
  scope.use(nats);
  store = scope.use(await openEventStore<Db>({ url: postgres.url, schema: 'join', context: 'join' }));
  await sql`create table score (name text primary key, steps int[] not null)`.execute(store.db);
  bus = scope.use(await connectBus({ servers: nats.url, name: 'test', telemetry }));
  await bus.reconcileStreams([eventStream('join')]);
  scope.use(startRelay({ store, target: eventStreamTarget(bus, 'join') }));
  parking = scope.use(openParking({ store, telemetry, pollMs: 50 }));
});

afterEach(() => scope.disposeAsync());

const versions = new Map<string, number>();
async function record(name: string, event: NewEvent) {
  const stream = `score/${name}`;
  const version = (versions.get(stream) ?? 0) + 1;
  versions.set(stream, version);
  const { events } = await store.append([{ stream, version, id: uuidv7(), event }]);
  return events[0]!;
}
const score = (name: string, ...steps: number[]) =>
  steps.reduce<Promise<unknown>>(
    async (last, step) => last.then(() => record(name, Scored({ step }))),
    Promise.resolve(),
  );
const run = (version = 1) =>
  runProjections({ store, bus, parking, telemetry, projections: [scores(() => isMistaken, version)] });
const stepsOf = async (name: string) =>
  (await store.db.selectFrom('score').select('steps').where('name', '=', `score/${name}`).executeTakeFirst())
    ?.steps;
const parked = () => listParked(store.db, { limit: 100 });
const place = (name: string) => ({ stream: `score/${name}`, version: versions.get(`score/${name}`)! });
const drop = (id: string) =>
  dropParked(store, { id, reason: 'a test', actor: 'spiffe://postern/user/alice', commandId: uuidv7() });

describe('an aggregate with a parked event', () => {
  test('waits, later events included, while all others go on', async () => {
    scope.use(await run());
    await score('a', 1, 13, 2, 3);
    await score('b', 1, 2);
    await until('the other is applied', async () => (await stepsOf('b'))?.length === 2);
    await until('all of it is parked', async () => (await parked()).length === 3);
    expect(await stepsOf('a')).toEqual([1]);
    expect((await parked()).map(({ code, aggregate }) => [code, aggregate])).toEqual([
      ['test.broken', 'score/a'],
      ['projections.aggregate_blocked', 'score/a'],
      ['projections.aggregate_blocked', 'score/a'],
    ]);
    await score('a', 4);
    await until('that one waits too', async () => (await parked()).length === 4);
    expect(await stepsOf('a')).toEqual([1]);
  });

  test('goes on in order when the first is retried and the mistake is mended', async () => {
    const projected = scores(() => isMistaken);
    scope.use(await run());
    await score('a', 1, 13, 2, 3);
    await until('all of it is parked', async () => (await parked()).length === 3);
    await parking.retry((await parked())[0]!.id);
    await until('it failed again', async () => (await parked())[0]?.tries === 1);
    expect(await stepsOf('a')).toEqual([1]);
    isMistaken = false;
    await parking.retry((await parked())[0]!.id);
    await until('nothing is parked', async () => (await parked()).length === 0);
    expect(await stepsOf('a')).toEqual([1, 13, 2, 3]);
    expect(await compareWithRebuild(store, projected)).toEqual([]);
  });

  test('is not overtaken when a later one is retried first', async () => {
    scope.use(await run());
    await score('a', 1, 13, 2);
    await until('all of it is parked', async () => (await parked()).length === 2);
    await parking.retry((await parked())[1]!.id);
    await until('it waits again', async () => (await parked())[1]?.tries === 1);
    expect(await stepsOf('a')).toEqual([1]);
  });

  test('goes on without the event that a person dropped, and is rebuilt without it', async () => {
    scope.use(await run());
    await score('a', 1, 13, 2, 3);
    await until('all of it is parked', async () => (await parked()).length === 3);
    await drop((await parked())[0]!.id);
    await until('nothing is parked', async () => (await parked()).length === 0);
    expect(await stepsOf('a')).toEqual([1, 2, 3]);
    await score('a', 4);
    await untilApplied(store, { name: 'scores' }, place('a'));
    expect(await stepsOf('a')).toEqual([1, 2, 3, 4]);
    expect(
      await compareWithRebuild(
        store,
        scores(() => isMistaken),
      ),
    ).toEqual([]);
  });

  test('is tried again by the next program at its start', async () => {
    {
      await using _ = await run();
      await score('a', 13, 1);
      await until('all of it is parked', async () => (await parked()).length === 2);
    }
    isMistaken = false;
    scope.use(await run());
    await until('nothing is parked', async () => (await parked()).length === 0);
    expect(await stepsOf('a')).toEqual([13, 1]);
  });
});

describe('an event', () => {
  test('of a type or a version that this program does not know is parked, as unknown', async () => {
    scope.use(await run());
    await record('a', { type: 'WrittenByTheFuture', v: 1, data: {} });
    await record('b', { type: 'Scored', v: 3, data: { step: 1 } });
    await score('c', 1);
    await until('the third is applied', async () => (await stepsOf('c'))?.length === 1);
    await until('both are parked', async () => (await parked()).length === 2);
    expect((await parked()).map(({ code }) => code)).toEqual([
      'contracts.unknown_event',
      'contracts.newer_event',
    ]);
  });

  test('of an old version comes through the consumer in the current one', async () => {
    scope.use(await run());
    await record('a', { type: 'Scored', v: 1, data: { was: 5 } });
    await untilApplied(store, { name: 'scores' }, place('a'));
    expect(await stepsOf('a')).toEqual([5]);
  });

  test('that is poison in the log and sound in the store is parked and does not stop its aggregate', async () => {
    scope.use(await run());
    await score('a', 1);
    await untilApplied(store, { name: 'scores' }, place('a'));
    await bus.connection.jetstream.publish('evt.join.00.score.a.Scored', '{"__proto__": {}}');
    await until('it is parked', async () => (await parked()).length === 1);
    // The log's numbering now has a message that the relay does not know of: it reads the tail again and goes on.
    await score('a', 2);
    await untilApplied(store, { name: 'scores' }, place('a'), 20_000);
    expect(await stepsOf('a')).toEqual([1, 2]);
  });
});

describe('a projection', () => {
  test('can be waited for by who just wrote, or tells that it is late', async () => {
    const before = untilApplied(store, { name: 'scores' }, { stream: 'score/a', version: 1 }, 100);
    await expect(before).rejects.toMatchObject({ kind: 'unavailable', code: 'projections.not_applied_yet' });
    isMistaken = false;
    scope.use(await run());
    for (let step = 1; step <= 20; step += 1) {
      await score('a', step);
      await untilApplied(store, { name: 'scores' }, place('a'));
      expect((await stepsOf('a'))!.at(-1)).toBe(step);
    }
  });

  test('whose rows a newer program has rebuilt is left to that one', async () => {
    scope.use(await run());
    await score('a', 1);
    await untilApplied(store, { name: 'scores' }, place('a'));
    scope.use(await run(2));
    await score('a', 2, 3);
    await untilApplied(store, { name: 'scores' }, place('a'));
    expect(await stepsOf('a')).toEqual([1, 2, 3]);
    await sql`update es_projection set version = 3`.execute(store.db);
    await score('a', 4);
    await until('both versions have stopped', () =>
      [1, 2].every((version) =>
        telemetry.lines.some(
          (line) => line.includes('left to a program') && line.includes(`"version":${version}`),
        ),
      ),
    );
    expect(await stepsOf('a')).toEqual([1, 2, 3]);
    expect(await parked()).toEqual([]);
  });

  test('shows how far it is behind', async () => {
    scope.use(await run());
    await score('a', 1);
    await untilApplied(store, { name: 'scores' }, place('a'));
    expect(await telemetry.metrics()).toMatch(/projection_lag_events\{projection="scores"\} \d/);
    expect(await telemetry.metrics()).toMatch(/projection_lag_seconds\{projection="scores"\} \d/);
  });
});
