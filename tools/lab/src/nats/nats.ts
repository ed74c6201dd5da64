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
  /** Configuration text appended to ours: accounts, authorization and so on; made for the directory where it needs one. */
  readonly config?: string | ((dir: string) => string) | undefined;
  /** PEM of the certificate it shows and of its key; without them nothing is encrypted. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Whether it listens for WebSockets as well, on any free port. */
  readonly websocket?: boolean | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A running nats-server. */
export interface Nats extends AsyncDisposable {
  /** `nats://` or, with a certificate, `tls://`. */
  readonly url: string;
  /** `ws://` or, with a certificate, `wss://`, where it listens for WebSockets. */
  readonly websocketUrl: string | undefined;
  readonly port: number;
  readonly pid: number;
  /** The monitoring endpoint (`/varz`, `/jsz`, `/healthz`), on 127.0.0.1. */
  readonly monitorUrl: string;
  readonly logFile: string;
  /** Shows another certificate from now on, where it was started with one. Who is connected may have to connect anew. */
  readonly replaceTls: (tls: NonNullable<NatsOptions['tls']>) => void;
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
  const websocketPort = options.websocket ? await rememberedPort(join(dir, 'websocket-port')) : undefined;
  const file = join(dir, 'nats-server.conf');
  const text = [
    configText(dir, port, monitorPort),
    listenersText(tlsText(dir, options.tls), websocketPort),
    configIn(dir, options.config),
  ];
  // The extra text may hold credentials.
  writeFileSync(file, text.join(''), { mode: 0o600 });
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
    url: `${options.tls ? 'tls' : 'nats'}://127.0.0.1:${port}`,
    websocketUrl:
      websocketPort === undefined ? undefined : `${options.tls ? 'wss' : 'ws'}://127.0.0.1:${websocketPort}`,
    port,
    pid,
    monitorUrl,
    logFile,
    replaceTls: (tls) => {
      writeTls(dir, tls);
      // It reads its configuration, and with that the files, anew.
      process.kill(pid, 'SIGHUP');
    },
    stop,
    kill9,
    [Symbol.asyncDispose]: stop,
  };
}

/** Writes the certificate and its key, and says where they are. */
function tlsText(dir: string, tls: NatsOptions['tls']): string | undefined {
  if (!tls) return undefined;
  const files = writeTls(dir, tls);
  const settings = Object.entries(files).map(([name, file]) => `${name}: ${JSON.stringify(file)}`);
  return `tls { ${settings.join(', ')}, min_version: "1.3" }\n`;
}

function writeTls(dir: string, { cert, key }: NonNullable<NatsOptions['tls']>) {
  const files = { cert_file: join(dir, 'tls.crt'), key_file: join(dir, 'tls.key') };
  writeFileSync(files.cert_file, cert, { mode: 0o600 });
  writeFileSync(files.key_file, key, { mode: 0o600 });
  return files;
}

function listenersText(tls: string | undefined, websocketPort: number | undefined): string {
  const websocket =
    websocketPort === undefined
      ? ''
      : `websocket { host: "127.0.0.1", port: ${websocketPort}, ${tls ?? 'no_tls: true\n'}}\n`;
  return (tls ?? '') + websocket;
}

function configIn(dir: string, config: NatsOptions['config'] = ''): string {
  return typeof config === 'string' ? config : config(dir);
}

function configText(dir: string, port: number, monitorPort: number): string {
  return `host: "127.0.0.1"
port: ${port}
http: "127.0.0.1:${monitorPort}"
# Until a half open connection is noticed, questions go to whoever was at its end.
ping_interval: "10s"
ping_max: 2
write_deadline: "5s"
# An acknowledged message is in the page cache and survives a kill; this bounds what a power cut can take.
jetstream { store_dir: ${JSON.stringify(join(dir, 'js'))}, sync_interval: "1s" }
`;
}
