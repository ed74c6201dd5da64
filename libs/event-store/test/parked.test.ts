import { failure, uuidv7 } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  dropParked,
  type EventStore,
  findParked,
  listParked,
  noteDone,
  once,
  openEventStore,
  openParking,
  type ParkedMessage,
  type Parking,
  skippedAmong,
  sweepInbox,
} from '../src/index.ts';

interface Db {
  effect: { id: string; n: number };
}

const Broken = failure('internal', 'test.broken', () => 'broken');
const Away = failure('unavailable', 'test.away', () => 'away');

let scope: AsyncDisposableStack;
let store: EventStore<Db>;
let url: string;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  ({ url } = scope.use(await testPostgres()));
  store = scope.use(await openEventStore<Db>({ url, schema: 'join', context: 'join' }));
  await sql`create table effect (id uuid primary key, n int not null)`.execute(store.db);
});

afterEach(() => scope.disposeAsync());

const openOne = (options: { readonly program?: string; readonly pollMs?: number } = {}): Parking<Db> =>
  scope.use(openParking({ store, pollMs: 20, ...options }));

let sequence = 0;
const message = (changes: Partial<ParkedMessage> = {}): ParkedMessage => ({
  consumer: 'test__things',
  stream: 'EVT_JOIN',
  streamCreated: '2026-01-01T00:00:00Z',
  sequence: (sequence += 1),
  subject: 'evt.join.00.thing.1.ThingHappened',
  headers: { 'Nats-Msg-Id': 'x', traceparent: 't' },
  body: Buffer.from('{"index":1}'),
  eventId: uuidv7(),
  aggregate: '',
  deliveries: 1,
  code: 'test.broken',
  error: 'broken',
  ...changes,
});
const parked = () => listParked(store.db, { limit: 100 });
const actor = 'spiffe://postern/user/alice';
const drop = (id: string, reason = 'a test') => dropParked(store, { id, reason, actor, commandId: uuidv7() });

describe('a parked message', () => {
  test('is kept whole, once however often it is parked', async () => {
    const parking = openOne();
    const given = message({ body: Uint8Array.of(0, 255, 1), error: 'a \0 b \uD800' });
    await parking.park(given);
    await parking.park({ ...given, deliveries: 2, code: 'test.other', error: 'other' });
    const rows = await parked();
    expect(rows).toHaveLength(1);
    // A list of the largest would fill the memory.
    expect(rows[0]!.body).toHaveLength(0);
    expect(await findParked(store.db, rows[0]!.id)).toMatchObject({
      ...given,
      body: Buffer.from([0, 255, 1]),
      deliveries: 2,
      code: 'test.other',
      error: 'other',
      tries: 0,
      isWhole: true,
      isRetrying: false,
    });
  });

  test('of a number that was used before is another message', async () => {
    const parking = openOne();
    const given = message();
    await parking.park(given);
    await parking.park({ ...given, body: Buffer.from('other') });
    expect(await parked()).toHaveLength(2);
  });

  test('with characters that Postgres refuses in its headers and subject is kept', async () => {
    const parking = openOne();
    await parking.park(message({ subject: 'a.\0.b', headers: { h: '\uDC00\0' }, eventId: '\0' }));
    expect(await parked()).toMatchObject([{ subject: 'a.\uFFFD.b', headers: { h: '\uFFFD\uFFFD' } }]);
  });

  test('of more bytes than are kept is kept in part, and is not tried again', async () => {
    const parking = openOne();
    await parking.park(message({ body: Buffer.alloc(1024 ** 2 + 1) }));
    const [row] = await parked();
    expect(row).toMatchObject({ isWhole: false });
    expect((await findParked(store.db, row!.id))!.body).toHaveLength(1024 ** 2);
    await expect(parking.retry(row!.id)).rejects.toMatchObject({ code: 'event_store.not_whole' });
  });

  test('that is one too many is not taken, and those that are kept still count', async () => {
    const parking = openOne();
    const last = message();
    await parking.park(last);
    await sql`insert into es_parked select gen_random_uuid(), consumer, stream, stream_created, js_seq, subject, headers,
      '', is_whole, event_id, aggregate, deliveries, error_code, error, program, tries
      from es_parked, generate_series(1, 9999)`.execute(store.db);
    await expect(parking.park(message())).rejects.toMatchObject({
      kind: 'resource_exhausted',
      code: 'event_store.too_many_parked',
    });
    await parking.park({ ...last, deliveries: 9 });
    await parking.park(message({ consumer: 'test__others' }));
  });

  test('of a sender that has its share already is not taken, while those of others are', async () => {
    const parking = openOne();
    const [mine, others] = [{ subject: 'agent.mine.fact.X' }, { subject: 'agent.others.fact.X' }];
    const first = message(mine);
    expect([await parking.park(first, 2), await parking.park(message(mine), 2)]).toEqual([true, true]);
    expect(await parking.park(message(mine), 2)).toBe(false);
    expect(await parking.park({ ...first, deliveries: 2 }, 2)).toBe(true);
    expect(await parking.park(message(others), 2)).toBe(true);
    // What failed for another reason has no share.
    expect(await parking.park(message(mine))).toBe(true);
    expect(await parked()).toHaveLength(4);
  });

  test('with a share leaves half of the places to those without, however many senders there are', async () => {
    const parking = openOne();
    await parking.park(message());
    await sql`insert into es_parked select gen_random_uuid(), consumer, stream, stream_created, js_seq, subject || n, headers,
      '', is_whole, event_id, aggregate, deliveries, error_code, error, program, tries
      from es_parked, generate_series(1, 4999) n`.execute(store.db);
    expect(await parking.park(message(), 100)).toBe(false);
    expect(await parking.park(message())).toBe(true);
  });

  test('is counted by consumer in the metrics', async () => {
    const telemetry = silentTelemetry();
    const parking = scope.use(openParking({ store, telemetry, pollMs: 20 }));
    using _ = parking.onRetry('test__idle', () => Promise.resolve());
    await parking.park(message());
    await parking.park(message());
    await until('both are counted', async () =>
      (await telemetry.metrics()).includes('bus_parked_messages{consumer="test__things"} 2'),
    );
    expect(await telemetry.metrics()).toContain('bus_parked_messages{consumer="test__idle"} 0');
  });
});

describe('a retry', () => {
  test('hands the message to its consumer and forgets it when that succeeds', async () => {
    const parking = openOne({ pollMs: 60_000 });
    const given = message();
    const got: ParkedMessage[] = [];
    using _ = parking.onRetry(given.consumer, async (again) => void got.push(again));
    await parking.park(given);
    expect(got).toEqual([]);
    await parking.retry((await parked())[0]!.id);
    await until('it is gone', async () => (await parked()).length === 0);
    expect(got).toMatchObject([{ ...given, body: Buffer.from(given.body) }]);
  });

  test('that fails tells the new failure and waits to be asked again', async () => {
    const parking = openOne();
    let attempts = 0;
    using _ = parking.onRetry('test__things', async () => {
      attempts += 1;
      throw Broken();
    });
    await parking.park(message({ code: 'test.first' }));
    const [{ id } = { id: '' }] = await parked();
    await parking.retry(id);
    const [row] = await until('it failed', async () => {
      const rows = await parked();
      return rows[0]?.tries === 1 ? rows : undefined;
    });
    expect(row).toMatchObject({ code: 'test.broken', error: 'broken', isRetrying: false });
    expect(attempts).toBe(1);
  });

  test('whose means are away stays asked for until they are back', async () => {
    const parking = openOne();
    let failures = 3;
    using _ = parking.onRetry('test__things', async () => {
      if ((failures -= 1) >= 0) throw Away();
    });
    await parking.park(message());
    await parking.retry((await parked())[0]!.id);
    await until('it is gone', async () => (await parked()).length === 0);
    expect(failures).toBe(-1);
  });

  test('is made by one replica only, whoever was asked', async () => {
    const got: string[] = [];
    const replicas = [openOne(), openOne(), openOne()];
    for (const replica of replicas)
      replica.onRetry('test__things', async ({ eventId }) => void got.push(eventId));
    for (let index = 0; index < 30; index += 1) await replicas[0]!.park(message());
    await Promise.all((await parked()).map(({ id }, index) => replicas[index % 3]!.retry(id)));
    await until('all are gone', async () => (await parked()).length === 0);
    expect(got).toHaveLength(30);
    expect(new Set(got).size).toBe(30);
  });

  test('of a replica that died meanwhile is made by another one', async () => {
    await using idle = openParking({ store, pollMs: 20 });
    await idle.park(message());
    const [{ id } = { id: '' }] = await parked();
    await idle.retry(id);
    await sql`update es_parked set claimed_until = now() + interval '700 milliseconds'`.execute(store.db);
    const got: string[] = [];
    const from = performance.now();
    using _ = openOne().onRetry('test__things', async ({ eventId }) => void got.push(eventId));
    await until('it is gone', async () => (await parked()).length === 0);
    expect(got).toHaveLength(1);
    expect(performance.now() - from).toBeGreaterThan(300);
  });

  test('of the first of an aggregate brings along those behind it, in order', async () => {
    const parking = openOne();
    const got: number[] = [];
    using _ = parking.onRetry('test__things', async (again) => void got.push(again.sequence));
    const three = [1, 2, 3].map(() => message({ aggregate: 'thing/1' }));
    for (const each of three) await parking.park(each);
    await parking.park(message({ aggregate: 'thing/2' }));
    await parking.retry((await parked())[0]!.id);
    await until('only the other aggregate is left', async () => (await parked()).length === 1);
    expect(got).toEqual(three.map((each) => each.sequence));
  });

  test('happens by itself, once, when a program of another version runs', async () => {
    const older = openOne({ program: '1.0.0' });
    await older.park(message({ code: 'contracts.unknown_event' }));
    await older.park(message());
    const got: string[] = [];
    using _old = older.onRetry('test__things', async () => void got.push('older'));
    using _ = openOne({ program: '2.0.0' }).onRetry('test__things', async () => void got.push('newer'));
    await until('both are gone', async () => (await parked()).length === 0);
    expect(got).toEqual(['newer', 'newer']);
  });

  test('of a message that is not there says so', async () => {
    await expect(openOne().retry(uuidv7())).rejects.toMatchObject({ code: 'event_store.not_parked' });
  });
});

describe('dropping a message', () => {
  test('records what it was, who dropped it and why, and tells projections to go on without the event', async () => {
    const parking = openOne();
    const given = message();
    await parking.park(given);
    const [row] = await parked();
    await drop(row!.id, 'made by mistake');
    expect(await parked()).toEqual([]);
    const [event] = await store.load(`parked_message/${row!.id}`);
    expect(event).toMatchObject({
      type: 'ParkedMessageDropped',
      meta: { actor },
      data: {
        parkedId: row!.id,
        consumer: given.consumer,
        stream: 'EVT_JOIN',
        sequence: given.sequence,
        eventId: given.eventId,
        code: 'test.broken',
        reason: 'made by mistake',
      },
    });
    const skipped = await skippedAmong(store.db, given.consumer, [given.eventId]);
    expect([...skipped]).toEqual([given.eventId]);
  });

  test('twice by one command is done once, and by another says that it is gone', async () => {
    const parking = openOne();
    await parking.park(message({ eventId: 'no uuid' }));
    const [{ id } = { id: '' }] = await parked();
    const command = { id, reason: 'r', actor, commandId: uuidv7() };
    await dropParked(store, command);
    await dropParked(store, command);
    await expect(drop(id)).rejects.toMatchObject({ kind: 'not_found' });
    expect(await store.load(`parked_message/${id}`)).toHaveLength(1);
  });

  test('that was dropped before and parked again is recorded again', async () => {
    const parking = openOne();
    const given = message();
    for (const version of [1, 2]) {
      await parking.park(given);
      const [{ id } = { id: '' }] = await parked();
      await drop(id);
      expect(await store.load(`parked_message/${id}`)).toHaveLength(version);
      expect(await findParked(store.db, id)).toBeUndefined();
    }
  });
});

describe('an effect', () => {
  const effect = (eventId: string) => ({ consumer: 'test__effects', eventId });
  const add = (id: string) =>
    once(store, effect(id), (trx) =>
      sql`insert into effect values (${id}, 1) on conflict (id) do update set n = effect.n + 1`.execute(trx),
    );
  const total = async () =>
    (await sql<{ n: number }>`select coalesce(sum(n), 0)::int n from effect`.execute(store.db)).rows[0]!.n;

  test('happens once however often and by however many its event is handled', async () => {
    const ids = Array.from({ length: 20 }, () => uuidv7());
    const results = await Promise.all([...ids, ...ids, ...ids].map(add));
    expect(await total()).toBe(20);
    expect(results.filter(Boolean)).toHaveLength(20);
  });

  test('that fails has not happened and may happen later', async () => {
    const id = uuidv7();
    const failing = once(store, effect(id), async (trx) => {
      await sql`insert into effect values (${id}, 1)`.execute(trx);
      throw Broken();
    });
    await expect(failing).rejects.toMatchObject({ code: 'test.broken' });
    expect(await total()).toBe(0);
    expect(await add(id)).toBe(true);
    expect(await total()).toBe(1);
  });

  test('of one consumer is none of another', async () => {
    const id = uuidv7();
    expect(await add(id)).toBe(true);
    const other = await store.transaction((trx) => noteDone(trx, { consumer: 'test__other', eventId: id }));
    expect(other).toBe(true);
  });

  test('is remembered longer than its event is delivered, and then no more', async () => {
    const [old, young] = [uuidv7(), uuidv7()];
    await add(old);
    await add(young);
    await sql`update es_inbox set at = now() - interval '9 days' where event_id = ${old}::uuid`.execute(
      store.db,
    );
    expect(await sweepInbox(store, 8 * 86_400_000)).toBe(1);
    expect(await add(young)).toBe(false);
  });
});
