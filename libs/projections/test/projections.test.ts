import { type Bus, connectBus, eventStream, eventStreamTarget } from '@postern/bus';
import { defineEvent } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { type EventStore, openEventStore, openParking, type Parking, startRelay } from '@postern/event-store';
import { testNats, testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { Type } from 'typebox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  applyInline,
  compareWithRebuild,
  on,
  projection,
  rebuild,
  rebuildChanged,
  runProjections,
} from '../src/index.ts';

interface Db {
  tally: { name: string; total: number; at: Date };
}

const Counted = defineEvent('Counted', {
  context: 'join',
  summary: 'Something was counted.',
  v: 2,
  data: Type.Object({ by: Type.Integer() }),
  upcast: { 1: ({ amount }) => ({ by: amount! }) },
});
const Cleared = defineEvent('Cleared', {
  context: 'join',
  summary: 'A tally is gone.',
  v: 1,
  data: Type.Object({ by: Type.String() }),
});

const tally = projection<Db>(
  'tally',
  1,
  ['tally'],
  on(Counted, (db, { by }, event) =>
    sql`insert into tally values (${event.stream}, ${by}, ${event.at})
      on conflict (name) do update set total = tally.total + excluded.total, at = excluded.at`.execute(db),
  ),
  on(Cleared, (db, _, event) => db.deleteFrom('tally').where('name', '=', event.stream).execute()),
);

let scope: AsyncDisposableStack;
let store: EventStore<Db>;
let url: string;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  ({ url } = scope.use(await testPostgres()));
  store = scope.use(await openEventStore<Db>({ url, schema: 'join', context: 'join' }));
  await sql`create table tally (
    name text constraint tally_pkey primary key, total int not null, at timestamptz not null,
    doubled int generated always as (total * 2) stored)`.execute(store.db);
});

afterEach(() => scope.disposeAsync());

const versions = new Map<string, number>();
beforeEach(() => versions.clear());

const record = (
  name: string,
  event: Parameters<EventStore<Db>['append']>[0][number]['event'],
  isInline = true,
) => {
  const stream = `tally/${name}`;
  const version = (versions.get(stream) ?? 0) + 1;
  versions.set(stream, version);
  const items = [{ stream, version, id: uuidv7(), event }];
  return store.append(items, isInline ? { also: (trx, events) => applyInline(tally, trx, events) } : {});
};
const totals = async () =>
  Object.fromEntries(
    (await store.db.selectFrom('tally').selectAll().execute()).map((row) => [row.name, row.total]),
  );

describe('a projection', () => {
  test('applied with the append equals its rebuild', async () => {
    await record('a', Counted({ by: 1 }));
    await record('b', Counted({ by: 5 }));
    await record('a', Counted({ by: 2 }));
    await record('b', Cleared({ by: 'a test' }));
    expect(await totals()).toEqual({ 'tally/a': 3 });
    expect(await compareWithRebuild(store, tally)).toEqual([]);
  });

  test('that went astray is found and put right by a rebuild', async () => {
    await record('a', Counted({ by: 1 }));
    await record('b', Counted({ by: 2 }));
    await sql`update tally set total = 99 where name = 'tally/a'`.execute(store.db);
    expect(await compareWithRebuild(store, tally)).toMatchObject([
      { table: 'tally', side: 'live', row: { name: 'tally/a', total: 99 } },
      { table: 'tally', side: 'rebuilt', row: { name: 'tally/a', total: 1 } },
    ]);
    await rebuild(store, tally);
    expect(await totals()).toEqual({ 'tally/a': 1, 'tally/b': 2 });
    expect(await compareWithRebuild(store, tally)).toEqual([]);
  });

  test('reads old versions of events in the current one', async () => {
    await record('a', { type: 'Counted', v: 1, data: { amount: 7 } });
    expect(await totals()).toEqual({ 'tally/a': 7 });
  });

  test('of a new version is rebuilt once', async () => {
    await record('a', Counted({ by: 1 }), false);
    expect(await totals()).toEqual({});
    expect(await rebuildChanged(store, [tally])).toEqual(['tally']);
    expect(await totals()).toEqual({ 'tally/a': 1 });
    expect(await rebuildChanged(store, [tally])).toEqual([]);
    expect(await rebuildChanged(store, [{ ...tally, version: 2 }])).toEqual(['tally']);
  });

  test('is rebuilt while writers go on, and misses nothing', async () => {
    for (let index = 0; index < 1500; index += 1) await record(`s${index % 50}`, Counted({ by: 1 }), false);
    await rebuild(store, tally);
    const rebuilt = new AbortController();
    let written = 0;
    const write = async (writer: number) => {
      while (!rebuilt.signal.aborted) {
        await record(`w${writer}`, Counted({ by: 1 }));
        written += 1;
      }
    };
    const writers = [write(1), write(2), write(3)];
    await rebuild(store, tally);
    rebuilt.abort();
    await Promise.all(writers);
    const sum = Object.values(await totals()).reduce((total, each) => total + each, 0);
    expect(sum).toBe(1500 + written);
    expect(await compareWithRebuild(store, tally)).toEqual([]);
  });

  test('keeps its constraints when it is rebuilt', async () => {
    await record('a', Counted({ by: 1 }));
    await rebuild(store, tally);
    const again = sql`insert into tally values ('tally/a', 1, now())`.execute(store.db);
    await expect(again).rejects.toMatchObject({ code: 'event_store.row_exists', message: /tally_pkey/ });
  });
});

describe('a projection behind the bus', () => {
  let bus: Bus;
  let parking: Parking<Db>;
  const target = () => eventStreamTarget(bus, 'join');
  const published = (count: number) =>
    until('all is published', async () => (await target().state()).lastSequence >= count);
  const applied = () =>
    until('all is applied', async () => (await compareWithRebuild(store, tally)).length === 0, {
      everyMs: 200,
    });

  beforeEach(async () => {
    const nats = scope.use(await testNats());
    bus = scope.use(await connectBus({ servers: nats.url, name: 'test' }));
    await bus.reconcileStreams([eventStream('join')]);
    parking = scope.use(openParking({ store }));
  });

  test('equals its rebuild, also when events are delivered twice or not at all', async () => {
    scope.use(await runProjections({ store, bus, parking, projections: [tally] }));
    for (let index = 0; index < 200; index += 1) await record(`s${index % 7}`, Counted({ by: 1 }), false);
    await sql`delete from es_outbox where seq % 11 = 0`.execute(store.db);
    scope.use(startRelay({ store, target: target() }));
    await published(180);
    for (const { event } of (await store.feed()).slice(0, 30)) {
      await bus.publishDurable('evt.join.00.tally.x.Counted', event, { msgId: uuidv7() });
    }
    for (let index = 0; index < 7; index += 1) await record(`s${index}`, Counted({ by: 1 }), false);
    await applied();
    const { rows } = await sql<{ js_seq: number }>`select js_seq from es_checkpoint`.execute(store.db);
    expect(rows[0]!.js_seq).toBeGreaterThan(180);
  });

  test('misses no event whose transaction began early and commits late', async () => {
    scope.use(await runProjections({ store, bus, parking, projections: [tally] }));
    scope.use(startRelay({ store, target: target() }));
    await store.transaction(async (trx) => {
      const event = Counted({ by: 3 });
      await store.append([{ stream: 'tally/late', version: 1, id: uuidv7(), event }], { trx });
      await record('early', Counted({ by: 1 }), false);
      await until('the later one is applied', async () => (await totals())['tally/early'] === 1);
    });
    await until('the late one is applied', async () => (await totals())['tally/late'] === 3);
    await applied();
  });

  test('that is new begins with what the store holds and counts nothing twice', async () => {
    scope.use(startRelay({ store, target: target() }));
    for (let index = 0; index < 30; index += 1) await record(`s${index % 3}`, Counted({ by: 1 }), false);
    await published(30);
    scope.use(await runProjections({ store, bus, parking, projections: [tally] }));
    expect(await totals()).toEqual({ 'tally/s0': 10, 'tally/s1': 10, 'tally/s2': 10 });
    await record('s0', Counted({ by: 5 }), false);
    await until('the new one is applied', async () => (await totals())['tally/s0'] === 15);
    await applied();
  });

  test('ignores an event that nobody recorded', async () => {
    scope.use(await runProjections({ store, bus, parking, projections: [tally] }));
    scope.use(startRelay({ store, target: target() }));
    const { events } = await record('s0', Counted({ by: 1 }), false);
    await published(1);
    const forged = { ...events[0]!, id: uuidv7(), version: 5, data: { by: 1000 } };
    await bus.publishDurable('evt.join.00.tally.s0.Counted', forged);
    await record('s1', Counted({ by: 1 }), false);
    await until('the next one is applied', async () => (await totals())['tally/s1'] === 1);
    expect(await totals()).toEqual({ 'tally/s0': 1, 'tally/s1': 1 });
  });
});
