import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, sha256Hex } from '@postern/core';
import type pg from 'pg';
import { connectClient, type PostgresOptions } from './postgres.ts';
import { translateError } from './failures.ts';

/** A migration that was already run and whose text is another one now. */
export const MigrationChanged = failure(
  'failed_precondition',
  'event_store.migration_changed',
  (name: string) => `the migration ${name} was run with another text: write a new one instead of changing it`,
);

/** A file in a migrations folder that is not called like 0001_name.sql. */
export const InvalidMigration = failure(
  'internal',
  'event_store.invalid_migration',
  (name: string) =>
    `the migration ${name} must be called like 0001_what_it_makes.sql, with a number of its own`,
);

const ownFolder = join(import.meta.dirname, '../migrations');

/**
 * Runs every migration not yet run, each in a transaction of its own: first the store's tables, then the service's.
 * An advisory lock makes a second replica wait for the first and then find nothing to do.
 */
export async function migrate(options: PostgresOptions, folder: string | undefined): Promise<void> {
  const client = await connectClient(options);
  try {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [
      `postern.migrate.${options.schema}`,
    ]);
    await createSchema(client, options.schema);
    await client.query(`create table if not exists es_migration (
      name text not null, checksum text not null, at timestamptz not null default now(),
      constraint es_migration_pkey primary key (name))`);
    const run = await recorded(client);
    for (const migration of await readFolders(folder)) await runOnce(client, migration, run);
  } catch (error) {
    throw translateError(error);
  } finally {
    await client.end();
  }
}

// Asked first, because "if not exists" wants the right to create even where there is nothing to create.
async function createSchema(client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query('select 1 from pg_namespace where nspname = $1', [schema]);
  if (rows.length === 0) await client.query(`create schema "${schema}"`);
}

interface Migration {
  readonly name: string;
  readonly sql: string;
}

async function readFolders(folder: string | undefined): Promise<Migration[]> {
  const own = await readFolder('event-store', ownFolder);
  return folder === undefined ? own : [...own, ...(await readFolder('service', folder))];
}

async function readFolder(prefix: string, folder: string): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).toSorted();
  const numbers = files.map((file) => /^(\d{4})_[a-z0-9_]+\.sql$/.exec(file)?.[1]);
  const wrong = files.find((_, index) => !numbers[index] || numbers.indexOf(numbers[index]) !== index);
  if (wrong !== undefined) throw InvalidMigration(wrong);
  const read = async (file: string) => ({
    name: `${prefix}/${file}`,
    sql: await readFile(join(folder, file), 'utf8'),
  });
  return Promise.all(files.map(read));
}

async function recorded(client: pg.Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from es_migration',
  );
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

async function runOnce(client: pg.Client, { name, sql }: Migration, run: Map<string, string>): Promise<void> {
  const checksum = sha256Hex(sql);
  const before = run.get(name);
  if (before !== undefined && before !== checksum) throw MigrationChanged(name);
  if (before !== undefined) return;
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query('insert into es_migration (name, checksum) values ($1, $2)', [name, checksum]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
