import { type Bus, connectBus, eventStream, eventStreamTarget } from '@postern/bus';
import { defineEvent } from '@postern/contracts';
import { failure, uuidv7 } from '@postern/core';
import { type EventStore, listParked, openEventStore, openParking, startRelay } from '@postern/event-store';
import { testNats, testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { compareWithRebuild, on, projection, runProjections } from '../src/index.ts';

interface Db {
  trail: { name: string; steps: number[] };
}

const Stepped = defineEvent('Stepped', {
  context: 'join',
  summary: 'A step was made.',
  v: 1,
  data: Type.Object({ step: Type.Integer() }),
});
const troubles = [
  failure('unavailable', 'test.away', () => 'away'),
  failure('conflict', 'test.conflict', () => 'somebody else'),
  failure('internal', 'test.bug', () => 'a bug'),
  failure('invalid_argument', 'test.nonsense', () => 'nonsense'),
];

/** The same numbers for the same seed, so that a failing run can be looked at again. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const seed = Number(process.env['POSTERN_TEST_SEED'] ?? Date.now() % 1_000_000);
const aggregates = 12;
const total = 600;

test(`a projection of two replicas that are disturbed in every way ends at its events, each aggregate in order (POSTERN_TEST_SEED=${seed})`, async () => {
  const random = seeded(seed);
  await using scope = new AsyncDisposableStack();
  const postgres = scope.use(await testPostgres());
  const nats = scope.use(await testNats());
  const open = () => openEventStore<Db>({ url: postgres.url, schema: 'join', context: 'join' });
  const store = scope.use(await open());
  await sql`create table trail (name text primary key, steps int[] not null)`.execute(store.db);
  let isDisturbed = true;
  let troubled = 0;
  const trails = projection<Db>(
    'trails',
    1,
    ['trail'],
    on(Stepped, async (db, { step }, event) => {
      if (isDisturbed && random() < 0.08) {
        troubled += 1;
        throw troubles[Math.floor(random() * troubles.length)]!();
      }
      await sql`insert into trail values (${event.stream}, array[${step}::int])
        on conflict (name) do update set steps = trail.steps || excluded.steps`.execute(db);
    }),
  );
  const bus = scope.use(await connectBus({ servers: nats.url, name: 'writer' }));
  await bus.reconcileStreams([eventStream('join')]);
  scope.use(startRelay({ store, target: eventStreamTarget(bus, 'join') }));

  /** A process, as far as one can be played here: its own connections, and an end without warning. */
  const startReplica = async () => {
    await using opening = new AsyncDisposableStack();
    const own: EventStore<Db> = opening.use(await open());
    const ownBus: Bus = opening.use(await connectBus({ servers: nats.url, name: 'replica' }));
    const parking = opening.use(openParking({ store: own, pollMs: 50 }));
    opening.use(await runProjections({ store: own, bus: ownBus, parking, projections: [trails] }));
    return { life: opening.move(), parking };
  };
  const replicas = await Promise.all([startReplica(), startReplica()]);
  scope.defer(async () => void (await Promise.all(replicas.map(({ life }) => life.disposeAsync()))));
  const parked = () => listParked(store.db, { limit: 10_000 });

  const write = async () => {
    const versions = new Map<string, number>();
    for (let step = 1; step <= total; step += 1) {
      const stream = `trail/${Math.floor(random() * aggregates)}`;
      const version = (versions.get(stream) ?? 0) + 1;
      versions.set(stream, version);
      await store.append([{ stream, version, id: uuidv7(), event: Stepped({ step: version }) }]);
    }
  };
  const disturb = async () => {
    for (let round = 0; round < 6; round += 1) {
      const at = round % 2;
      await replicas[at]!.life.disposeAsync();
      if (round === 3) await nats.kill9().then(() => nats.start());
      replicas[at] = await startReplica();
      for (const { id } of await parked())
        if (random() < 0.5) await replicas[at].parking.retry(id).catch(() => {});
    }
  };
  await Promise.all([write(), disturb()]);
  await until('enough went wrong', () => troubled > 20);
  isDisturbed = false;
  await until(
    'nothing is parked and everything applied',
    async () => {
      for (const { id } of await parked()) await replicas[0].parking.retry(id).catch(() => {});
      const { rows } = await sql<{ n: number }>`select coalesce(sum(cardinality(steps)), 0)::int as n
        from trail`.execute(store.db);
      return rows[0]!.n >= total && (await parked()).length === 0;
    },
    { withinMs: 90_000, everyMs: 500 },
  );
  for (const { steps } of await store.db.selectFrom('trail').select('steps').execute())
    expect(steps).toEqual(steps.map((_, index) => index + 1));
  expect(await compareWithRebuild(store, trails)).toEqual([]);
}, 180_000);
