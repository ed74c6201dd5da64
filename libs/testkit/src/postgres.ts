import { randomHex } from '@postern/core';
import pg from 'pg';
import { inject } from 'vitest';

/** A database of a test file's own. */
export interface TestPostgres extends AsyncDisposable {
  readonly url: string;
}

/** Makes an empty database in the run's Postgres; it is dropped when disposed, whoever is still connected. */
export async function testPostgres(): Promise<TestPostgres> {
  const admin = inject('postgresUrl');
  const name = `test_${randomHex(8)}`;
  await execute(admin, `create database ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => execute(admin, `drop database ${name} with (force)`),
  };
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
