import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Postgres, startPostgres } from '../src/index.ts';
import { commandLineOf, identifyProcess, isAlive } from '../src/process/process-identity.ts';
import { startUnderDoomedParent } from './support/doomed-parent.ts';
import { sql } from './support/sql.ts';
import { tempDir } from './support/temp-dir.ts';

async function start(dataDir: string): Promise<Postgres> {
  const postgres = await startPostgres({ dataDir, durable: false });
  onTestFinished(() => postgres.stop());
  return postgres;
}

test('keeps its rows, password and port over a restart', async () => {
  const dataDir = join(tempDir(), 'postgres');
  const first = await start(dataDir);
  await sql(first.url, 'create table kept as select 42 as answer');
  await first.stop();
  const second = await start(dataDir);
  expect(second.url).toBe(first.url);
  expect(second.pid).not.toBe(first.pid);
  expect(await sql(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('outlives the kill -9 of its owner and is taken over by the next start', async () => {
  const dataDir = join(tempDir(), 'postgres');
  const doomed = await startUnderDoomedParent('postgres', dataDir);
  await sql(doomed.url, 'create table kept as select 42 as answer');
  const orphan = identifyProcess(doomed.pid)!;
  await doomed.killOwner();
  expect(isAlive(orphan)).toBe(true);
  const next = await start(dataDir);
  expect(isAlive(orphan)).toBe(false);
  expect(next.url).toBe(doomed.url);
  expect(await sql(next.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('starts after a kill -9 of the server itself', async () => {
  const dataDir = join(tempDir(), 'postgres');
  const first = await start(dataDir);
  await sql(first.url, 'create table kept as select 42 as answer');
  await first.kill9();
  expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(true);
  const second = await start(dataDir);
  expect(await sql(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('refuses a second server on one data directory', async () => {
  const dataDir = join(tempDir(), 'postgres');
  const first = await start(dataDir);
  await expect(startPostgres({ dataDir })).rejects.toThrow(/already run by this process/);
  expect(await sql(first.url, 'select 1 as alive')).toEqual([{ alive: 1 }]);
});

test('asks for a password that only its owner can read', async () => {
  const dataDir = join(tempDir(), 'postgres');
  const { url, pid } = await start(dataDir);
  expect(statSync(`${dataDir}.password`).mode & 0o077).toBe(0);
  const wrong = new URL(url);
  wrong.password = 'guess';
  await expect(sql(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  expect(commandLineOf(pid)).not.toContain(new URL(url).password);
  expect(await sql(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
});
