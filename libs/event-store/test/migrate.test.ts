import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failure } from '@postern/core';
import { testPostgres } from '@postern/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEventStore } from '../src/index.ts';

let scope: AsyncDisposableStack;
let url: string;
let migrations: string;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  ({ url } = scope.use(await testPostgres()));
  migrations = await mkdtemp(join(tmpdir(), 'postern-migrations-'));
  scope.defer(() => rm(migrations, { recursive: true }));
});

afterEach(() => scope.disposeAsync());

const write = (file: string, text: string) => writeFile(join(migrations, file), text);
const open = async (schema = 'resource') =>
  scope.use(
    await openEventStore<{ shelf: { name: string } }>({ url, schema, context: 'resource', migrations }),
  );

describe('migrations', () => {
  test('of the store come first, then those of the service in order, each once', async () => {
    await write(
      '0002_rows.sql',
      `insert into shelf select 'a' where exists (select 1 from es_event) is false`,
    );
    await write('0001_shelf.sql', 'create table shelf (name text)');
    await open();
    const store = await open();
    expect(await store.db.selectFrom('shelf').selectAll().execute()).toEqual([{ name: 'a' }]);
  });

  test('are run by one of several replicas that start together', async () => {
    await write('0001_shelf.sql', `create table shelf (name text); insert into shelf values ('once')`);
    const stores = await Promise.all([open(), open(), open(), open()]);
    for (const store of stores) {
      expect(await store.db.selectFrom('shelf').selectAll().execute()).toEqual([{ name: 'once' }]);
    }
  });

  test('of two services stay apart', async () => {
    await write('0001_shelf.sql', 'create table shelf (name text)');
    const [one, other] = [await open('join'), await open('resource')];
    await one.db.insertInto('shelf').values({ name: 'mine' }).execute();
    expect(await other.db.selectFrom('shelf').selectAll().execute()).toEqual([]);
  });

  test('that fail leave nothing behind', async () => {
    await write('0001_shelf.sql', 'create table shelf (name text); select no_such_function()');
    await expect(open()).rejects.toThrow('no_such_function');
    await write('0001_shelf.sql', 'create table shelf (name text)');
    await open();
  });

  test('that were run and changed since are refused', async () => {
    await write('0001_shelf.sql', 'create table shelf (name text)');
    await open();
    await write('0001_shelf.sql', 'create table shelf (name text, more text)');
    await expect(open()).rejects.toMatchObject({ code: 'event_store.migration_changed' });
  });

  test.each(['shelf.sql', '1_shelf.sql', '0001_Shelf.sql'])('called %s are refused', async (file) => {
    await write(file, '');
    await expect(open()).rejects.toMatchObject({ code: 'event_store.invalid_migration' });
  });

  test('with the same number are refused', async () => {
    await write('0001_one.sql', '');
    await write('0001_two.sql', '');
    await expect(open()).rejects.toMatchObject({ code: 'event_store.invalid_migration' });
  });
});

describe('opening', () => {
  test('fails when Postgres is not there for too long', async () => {
    const away = {
      url: 'postgres://postgres@127.0.0.1:1/postgres',
      schema: 'join',
      context: 'join',
    } as const;
    await expect(openEventStore({ ...away, patienceMs: 300 })).rejects.toMatchObject({
      code: 'event_store.unavailable',
    });
  });

  test('refuses a schema that is not a plain word', async () => {
    await expect(open('a"; drop schema public')).rejects.toMatchObject({
      code: 'event_store.invalid_schema',
    });
  });

  test('turns named constraints into the failures of the service', async () => {
    const ShelfExists = failure('already_exists', 'test.shelf_exists', () => 'there is such a shelf');
    const constraints = { shelf_is_named_once: ShelfExists };
    await write('0001_shelf.sql', 'create table shelf (name text constraint shelf_is_named_once unique)');
    const store = scope.use(
      await openEventStore({ url, schema: 'resource', context: 'resource', migrations, constraints }),
    );
    const insert = () => sql`insert into shelf values ('a')`.execute(store.db);
    await insert();
    await expect(insert()).rejects.toMatchObject({ code: 'test.shelf_exists' });
  });
});
