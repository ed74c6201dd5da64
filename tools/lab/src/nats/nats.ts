import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Progress } from '../progress.ts';
import { startChild } from '../process/child.ts';
import { freePort, rememberedPort } from '../process/free-port.ts';
import { reapOrphan } from '../process/reap-orphan.ts';
import { waitUntil } from '../process/wait-until.ts';
import { ensureNatsServer } from './nats-binary.ts';

const READY_TIMEOUT_MS = 60_000;

/** How to run NATS. */
export interface NatsOptions {
  /** Holds the configuration, the log and, under `js`, what JetStream stores. */
  readonly dir: string;
  /** The port of the last run when free, else any, unless given. */
  readonly port?: number | undefined;
  /** Configuration text appended to ours: accounts, authorization, websocket and so on. */
  readonly config?: string | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A running nats-server. */
export interface Nats extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The monitoring endpoint (`/varz`, `/jsz`, `/healthz`), on 127.0.0.1. */
  readonly monitorUrl: string;
  readonly logFile: string;
  readonly stop: () => Promise<void>;
  readonly kill9: () => Promise<void>;
}

/** Starts nats-server with JetStream on 127.0.0.1 and waits until it is healthy. One left by a killed owner is stopped first. */
export async function startNats(options: NatsOptions): Promise<Nats> {
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const command = await ensureNatsServer(options);
  await reapOrphan(dir, 'nats-server');
  const port = options.port ?? (await rememberedPort(join(dir, 'port')));
  const monitorPort = await freePort();
  const file = join(dir, 'nats-server.conf');
  // The extra text may hold credentials.
  writeFileSync(file, configText(dir, port, monitorPort) + (options.config ?? ''), { mode: 0o600 });
  options.progress?.('starting nats-server');
  const child = await startChild({ name: 'nats-server', dir, command, args: ['--config', file] });
  const monitorUrl = `http://127.0.0.1:${monitorPort}`;
  try {
    const healthy = async () => (await fetch(`${monitorUrl}/healthz`)).ok;
    await waitUntil(healthy, {
      what: 'nats-server',
      timeoutMs: READY_TIMEOUT_MS,
      everyMs: 10,
      failed: child.failure,
    });
  } catch (error) {
    await child.stop();
    throw error;
  }
  const { pid, logFile, stop, kill9 } = child;
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid,
    monitorUrl,
    logFile,
    stop,
    kill9,
    [Symbol.asyncDispose]: stop,
  };
}

function configText(dir: string, port: number, monitorPort: number): string {
  return `host: "127.0.0.1"
port: ${port}
http: "127.0.0.1:${monitorPort}"
# An acknowledged message is in the page cache and survives a kill; this bounds what a power cut can take.
jetstream { store_dir: ${JSON.stringify(join(dir, 'js'))}, sync_interval: "1s" }
`;
}
