import { uuidv7 } from '@postern/core';
import { fixedClock, testPostgres, until } from '@postern/testkit';
import { inCause } from '@postern/telemetry';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppendItem, type EventStore, openEventStore } from '../src/index.ts';

const clock = fixedClock();
let postgres: Awaited<ReturnType<typeof testPostgres>>;
let store: EventStore;

beforeAll(async () => {
  postgres = await testPostgres();
  store = await openEventStore({ url: postgres.url, schema: 'join', context: 'join', clock });
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

let streams = 0;
const newStream = () => `thing/${(streams += 1)}`;
const item = (stream: string, version: number, id = uuidv7()): AppendItem => ({
  stream,
  version,
  id,
  event: { type: 'ThingHappened', v: 1, data: { version } },
  meta: { actor: 'spiffe://test/svc/a' },
});

describe('append', () => {
  test('what is appended is read back as it was returned', async () => {
    const stream = newStream();
    const { events, duplicate } = await store.append([item(stream, 1), item(stream, 2)]);
    expect(duplicate).toBe(false);
    expect(await store.load(stream)).toEqual(events);
    expect(events[0]).toMatchObject({
      at: clock().toISOString(),
      v: 1,
      meta: { actor: 'spiffe://test/svc/a' },
    });
    expect(await store.load(stream, { after: 1 })).toEqual([events[1]]);
  });

  test('the second writer of a version is refused', async () => {
    const stream = newStream();
    await store.append([item(stream, 1)]);
    await expect(store.append([item(stream, 1)])).rejects.toMatchObject({ code: 'event_store.conflict' });
  });

  test('the same events again are answered with the first recording', async () => {
    const stream = newStream();
    const items = [item(stream, 1), item(stream, 2)];
    const first = await store.append(items);
    expect(await store.append(items)).toEqual({ events: first.events, duplicate: true });
  });

  test('the same event id in another stream is a conflict', async () => {
    const id = uuidv7();
    await store.append([item(newStream(), 1, id)]);
    await expect(store.append([item(newStream(), 1, id)])).rejects.toMatchObject({
      code: 'event_store.conflict',
    });
  });

  test('a version without its predecessor is refused', async () => {
    await expect(store.append([item(newStream(), 2)])).rejects.toMatchObject({
      code: 'event_store.version_gap',
    });
  });

  test('a stream without an aggregate name is refused', async () => {
    await expect(store.append([item('thing', 1)])).rejects.toMatchObject({ code: 'event_store.row_refused' });
  });

  test('data that Postgres cannot hold is refused', async () => {
    const bad = { ...item(newStream(), 1), event: { type: 'A', v: 1, data: { text: 'a\0b' } } };
    await expect(store.append([bad])).rejects.toMatchObject({ code: 'event_store.row_refused' });
  });

  test('what no message could carry is refused, and what is recorded with it', async () => {
    const [stream, other] = [newStream(), newStream()];
    const large = {
      ...item(stream, 1),
      event: { type: 'ThingHappened', v: 1, data: { text: 'é'.repeat(500_000) } },
    };
    await expect(store.append([item(other, 1), large])).rejects.toMatchObject({
      code: 'event_store.event_too_large',
    });
    expect(await store.load(other)).toEqual([]);
  });

  test('events of many streams are recorded together or not at all', async () => {
    const [one, other] = [newStream(), newStream()];
    await store.append([item(other, 1)]);
    await expect(store.append([item(one, 1), item(other, 1)])).rejects.toMatchObject({ kind: 'conflict' });
    expect(await store.load(one)).toEqual([]);
  });

  test('rows of the same transaction are undone with the events', async () => {
    const stream = newStream();
    await sql`create table if not exists note (text text not null)`.execute(store.db);
    const also = async (trx: typeof store.db) => sql`insert into note values (${stream})`.execute(trx);
    await store.append([item(stream, 1)], { also });
    await expect(store.append([item(stream, 1)], { also })).rejects.toMatchObject({ kind: 'conflict' });
    const { rows } = await sql<{ n: number }>`select count(*) n from note where text = ${stream}`.execute(
      store.db,
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  test('a transaction of the caller holds events of several appends', async () => {
    const [one, other] = [newStream(), newStream()];
    const append = store.transaction(async (trx) => {
      await store.append([item(one, 1)], { trx });
      await store.append([item(other, 2)], { trx });
    });
    await expect(append).rejects.toMatchObject({ code: 'event_store.version_gap' });
    expect(await store.load(one)).toEqual([]);
  });

  test('of a hundred writers exactly one gets each version', async () => {
    const stream = newStream();
    const won = new Map<number, number>();
    const write = async (writer: number) => {
      for (let attempt = 0; ; attempt += 1) {
        const version = (await store.load(stream)).length + 1;
        try {
          await store.append([item(stream, version)]);
          return won.set(version, writer);
        } catch (error) {
          expect(error).toMatchObject({ code: 'event_store.conflict' });
        }
      }
    };
    await Promise.all(Array.from({ length: 100 }, (_, writer) => write(writer)));
    const events = await store.load(stream);
    expect(events.map((event) => event.version)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    expect(won.size).toBe(100);
  });
});

describe('what led to an event', () => {
  const cause = { correlationId: 'conversation', causationId: 'event' };

  test('is told by its meta, unless the writer says otherwise', async () => {
    const [first, second] = [item(newStream(), 1), item(newStream(), 1)];
    const { events } = await inCause(
      () => cause,
      () => store.append([first, { ...second, meta: { actor: 'alice', causationId: 'another' } }]),
    );
    expect(events[0]!.meta).toMatchObject(cause);
    expect(events[1]!.meta).toEqual({ ...cause, actor: 'alice', causationId: 'another' });
    expect(await store.load(first.stream)).toEqual([events[0]]);
  });

  test('is nothing where nobody gave a cause', async () => {
    const { events } = await store.append([item(newStream(), 1)]);
    expect(events[0]!.meta).not.toHaveProperty('correlationId');
  });
});

describe('the event table', () => {
  test('refuses to change, delete or truncate events', async () => {
    await store.append([item(newStream(), 1)]);
    for (const statement of [
      'update es_event set type = $$x$$',
      'delete from es_event',
      'truncate es_event',
    ]) {
      await expect(sql.raw(statement).execute(store.db)).rejects.toThrow('recorded events do not change');
    }
  });

  test('every event waits in the outbox', async () => {
    const { rows } = await sql<{ missing: number }>`
      select count(*) missing from es_event e where not exists (select 1 from es_outbox o where o.seq = e.seq)`.execute(
      store.db,
    );
    expect(rows).toEqual([{ missing: 0 }]);
  });
});

describe('the feed', () => {
  test('pages through everything by position', async () => {
    const all = await store.feed({ limit: 100_000 });
    const first = await store.feed({ limit: 3 });
    const second = await store.feed({ after: first.at(-1)!.position, limit: 3 });
    expect([...first, ...second]).toEqual(all.slice(0, 6));
  });
});

describe('a connection that is held', () => {
  test('may break while it waits without ending the process', async () => {
    const held = store.db.connection().execute(async (connection) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(connection);
      const { pid } = rows[0]!;
      await sql`select pg_terminate_backend(${pid})`.execute(store.db);
      await until('the backend is gone', async () => {
        const alive = await sql`select 1 from pg_stat_activity where pid = ${pid}`.execute(store.db);
        return alive.rows.length === 0;
      });
      const ended = sql`select 1`.execute(connection);
      await expect(ended).rejects.toMatchObject({ code: 'event_store.unavailable' });
    });
    await held;
    expect(await store.find([])).toEqual([]);
  });
});
