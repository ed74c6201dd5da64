import { randomBytes } from 'node:crypto';
import { defineEvent } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { type EventStore, openEventStore, readPage } from '@postern/event-store';
import { testPostgres, until } from '@postern/testkit';
import { sql } from 'kysely';
import { Type } from 'typebox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  compareWithRebuild,
  deleteRows,
  insertRows,
  on,
  onManyOf,
  type Projection,
  projection,
  putRows,
  rebuild,
  rebuildChanged,
  rebuildService,
} from '../src/index.ts';

interface Db {
  book: { name: string; pages: number; tags: string[]; at: Date };
  other: { name: string };
}

const Written = defineEvent('Written', {
  context: 'join',
  summary: 'A book was written.',
  v: 1,
  data: Type.Object({ name: Type.String(), pages: Type.Integer(), tags: Type.Array(Type.String()) }),
});
const Burnt = defineEvent('Burnt', {
  context: 'join',
  summary: 'A book was burnt.',
  v: 1,
  data: Type.Object({ name: Type.String() }),
});
const Noted = defineEvent('Noted', {
  context: 'join',
  summary: 'Something was noted at length.',
  v: 1,
  data: Type.Object({ text: Type.String() }),
});

const key = { table: 'book', key: ['name'] } as const;
const books = projection<Db>(
  'books',
  3,
  ['book'],
  onManyOf([Written, Burnt], async (db, changes) => {
    const last = [...new Map(changes.map((change) => [change.data.name, change])).values()];
    const written = last.filter((change) => change.type === 'Written');
    await putRows(
      db,
      key,
      written.map(({ data, event }) => ({ ...data, at: event.at })),
    );
    const burnt = last.filter((change) => change.type === 'Burnt');
    await deleteRows(
      db,
      key,
      burnt.map(({ data: { name } }) => ({ name })),
    );
  }),
);

let scope: AsyncDisposableStack;
let store: EventStore<Db>;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  const { url } = scope.use(await testPostgres());
  store = scope.use(await openEventStore<Db>({ url, schema: 'join', context: 'join' }));
  await sql`create table book (
    name text constraint a_book_has_a_name primary key, pages int not null, tags jsonb not null, at timestamptz not null,
    number bigint generated always as identity,
    constraint a_book_has_pages check (pages > 0)) with (fillfactor = 70)`.execute(store.db);
  await sql`create index book_by_length on book (pages desc) where pages > 2`.execute(store.db);
  await sql`comment on table book is 'What was written.'`.execute(store.db);
  await sql`create table other (name text)`.execute(store.db);
});

afterEach(() => scope.disposeAsync());

let sequence = 0;
const record = (...events: unknown[]) =>
  store.append(
    events.map((event) => ({
      stream: `book/${(sequence += 1)}`,
      version: 1,
      id: uuidv7(),
      event: event as never,
    })),
  );
const written = (name: string, pages = 1) => Written({ name, pages, tags: ['new', 'it’s "odd" \\ {}'] });
const names = async () =>
  (await store.db.selectFrom('book').select('name').orderBy('name').execute()).map(({ name }) => name);
const shadows = async () =>
  (await sql`select nspname from pg_namespace where nspname like '%rebuild%'`.execute(store.db)).rows;

describe('a rebuild', () => {
  test('applies events of several types together, in their order', async () => {
    await record(
      written('a'),
      written('b'),
      Burnt({ name: 'a' }),
      written('c'),
      Burnt({ name: 'b' }),
      written('b', 7),
    );
    await rebuild(store, books);
    const rows = await store.db
      .selectFrom('book')
      .select(['name', 'pages', 'tags'])
      .orderBy('name')
      .execute();
    expect(rows).toEqual([
      { name: 'b', pages: 7, tags: ['new', 'it’s "odd" \\ {}'] },
      { name: 'c', pages: 1, tags: ['new', 'it’s "odd" \\ {}'] },
    ]);
    expect(await shadows()).toEqual([]);
  });

  test('gives the new table everything that the old one had', async () => {
    await sql`grant select (name), insert on book to pg_monitor`.execute(store.db);
    await sql`grant select on book to public`.execute(store.db);
    const described = () =>
      sql`select
        (select array_agg(format('%s %s', conname, pg_get_constraintdef(oid)) order by conname) from pg_constraint where conrelid = 'book'::regclass) as constraints,
        (select array_agg(indexdef order by indexdef) from pg_indexes where tablename = 'book') as indexes,
        (select relacl::text from pg_class where oid = 'book'::regclass) as privileges,
        (select array_agg(format('%s %s %s %s', attname, atttypid::regtype, attidentity, attnotnull) order by attnum) from pg_attribute where attrelid = 'book'::regclass and attnum > 0) as columns,
        (select reloptions from pg_class where oid = 'book'::regclass) as options,
        obj_description('book'::regclass) as comment`.execute(store.db);
    const { rows: before } = await described();
    await record(written('a', 5));
    await rebuild(store, books);
    await rebuild(store, books);
    expect((await described()).rows).toEqual(before);
    await expect(
      insertRows(store.db, 'book', [{ name: 'a', pages: 1, tags: [], at: new Date() }]),
    ).rejects.toMatchObject({
      message: /a_book_has_a_name/,
    });
  });

  test('that is stopped leaves the rows as they were and nothing beside them', async () => {
    await record(...Array.from({ length: 5001 }, (_, index) => written(`n${index}`)));
    await sql`insert into book values ('old', 1, '[]', now())`.execute(store.db);
    const stopping = new AbortController();
    const rebuilding = rebuild(store, books, {
      signal: stopping.signal,
      onProgress: () => stopping.abort(new Error('enough')),
    });
    await expect(rebuilding).rejects.toThrow('enough');
    expect(await names()).toEqual(['old']);
    expect(await shadows()).toEqual([]);
  });

  test('tells how far it is', async () => {
    await record(...Array.from({ length: 5001 }, (_, index) => written(`n${index}`)));
    const told: unknown[] = [];
    await rebuild(store, books, { onProgress: (progress) => told.push(progress) });
    expect(told).toEqual([
      { projection: 'books', events: 5000, position: 5000, until: 5001 },
      { projection: 'books', events: 1, position: 5001, until: 5001 },
    ]);
  });

  test('lets handlers see no table but their own', async () => {
    const nosy = projection<Db>(
      'nosy',
      1,
      ['book'],
      on(Written, (db) => db.insertInto('other').values({ name: 'x' }).execute()),
    );
    await record(written('a'));
    await expect(rebuild(store, nosy)).rejects.toThrow('relation "other" does not exist');
    expect(await store.db.selectFrom('other').selectAll().execute()).toEqual([]);
    expect(await shadows()).toEqual([]);
  });

  test('of a table with a trigger or a foreign key is refused before anything is done', async () => {
    await sql`create table page (book text references book (name))`.execute(store.db);
    await expect(rebuild(store, books)).rejects.toMatchObject({ code: 'projections.table_not_replaceable' });
    expect(await shadows()).toEqual([]);
  });

  test('whose table is migrated meanwhile is given up, and loses no column', async () => {
    await record(written('a'));
    const migrate = () => sql`alter table book add column author text`.execute(store.db);
    const migrating = rebuild(store, projection<Db>('books', 3, ['book'], on(Written, migrate)));
    await expect(migrating).rejects.toMatchObject({ code: 'projections.table_changed' });
    await sql`select author from book`.execute(store.db);
  });

  test('waits for who reads for long, while others read and write on', async () => {
    await record(written('a'));
    const reading = Promise.withResolvers<void>();
    const holding = Promise.withResolvers<void>();
    const reader = store.db.transaction().execute(async (trx) => {
      await trx.selectFrom('book').selectAll().execute();
      holding.resolve();
      await reading.promise;
    });
    await holding.promise;
    let isDone = false;
    const rebuilding = rebuild(store, books).then(() => (isDone = true));
    await until(
      'the rebuild waits for the reader',
      async () => {
        const { rows } =
          await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'lock table%'`.execute(
            store.db,
          );
        return rows.length > 0;
      },
      { everyMs: 5 },
    );
    await record(written('b'));
    await names();
    expect(isDone).toBe(false);
    reading.resolve();
    await Promise.all([reader, rebuilding]);
    expect(await names()).toEqual(['a', 'b']);
  });

  test('is refused where a newer program made the rows, and not begun by itself', async () => {
    await record(written('a'));
    await rebuild(store, books);
    const older: Projection<Db> = { ...books, version: 2 };
    expect(await rebuildChanged(store, [older])).toEqual([]);
    await expect(rebuild(store, older)).rejects.toMatchObject({ code: 'projections.rows_are_newer' });
    expect(await rebuildChanged(store, [{ ...books, version: 4 }])).toEqual(['books']);
  });

  test('of a service names the projections that there are', async () => {
    const all = { withAppend: [books], behindBus: [] };
    await expect(rebuildService(store, all, { names: ['bocks'] })).rejects.toMatchObject({
      code: 'projections.unknown_projection',
      message: 'there is no projection "bocks" here: there are books',
    });
    await record(written('a'));
    await rebuildService(store, all, { names: ['books'] });
    expect(await compareWithRebuild(store, books)).toEqual([]);
    expect(await names()).toEqual(['a']);
  });
});

describe('a page of events', () => {
  test('is bounded by the bytes of its events', async () => {
    const long = () => Noted({ text: randomBytes(450_000).toString('hex') });
    for (let index = 0; index < 20; index += 1) await record(long());
    const read = (after: number) =>
      readPage(store.db, { schema: 'join', after, until: 99, types: ['Noted'] });
    const first = await read(0);
    expect(first?.events.length).toBeGreaterThan(1);
    expect(first?.events.length).toBeLessThan(20);
    expect(first?.last).toBe(first?.events.length);
    expect((await read(first!.last))?.last).toBe(20);
  });

  test('passes over what is not asked for, and tells how far it came', async () => {
    await record(written('a'), Noted({ text: 'x' }), Noted({ text: 'y' }));
    const page = await readPage(store.db, { schema: 'join', after: 0, until: 2, types: ['Written'] });
    expect(page).toMatchObject({ last: 2, events: [{ type: 'Written' }] });
    expect(
      await readPage(store.db, { schema: 'join', after: 3, until: 99, types: ['Written'] }),
    ).toBeUndefined();
  });
});
