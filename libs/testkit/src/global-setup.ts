import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@postern/lab';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Connection string of the superuser of the run's Postgres. */
    postgresUrl: string;
  }
}

/** One Postgres for the whole run; every test file gets a database of its own in it. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-test-'));
  const postgres = await startPostgres({ dataDir: join(dir, 'postgres'), durable: false });
  provide('postgresUrl', postgres.url);
  return async () => {
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}
