import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Nats, type NatsOptions, startNats } from '@postern/lab';

/** A nats-server of a test file's own, which may be killed and started again on the same port and storage. */
export interface TestNats extends AsyncDisposable {
  readonly url: string;
  readonly websocketUrl: string | undefined;
  readonly port: number;
  readonly pid: () => number;
  readonly monitorUrl: () => string;
  /** Shows another certificate from now on. */
  replaceTls(tls: NonNullable<NatsOptions['tls']>): void;
  /** Ends it as a power switch would. */
  kill9(): Promise<void>;
  stop(): Promise<void>;
  /** Starts it again after `kill9` or `stop`. */
  start(): Promise<void>;
}

/** Starts a real nats-server with JetStream; `config` is appended to its configuration. */
export async function testNats(
  given: Pick<NatsOptions, 'config' | 'tls' | 'websocket'> = {},
): Promise<TestNats> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-nats-'));
  const options = { ...given, dir };
  let server: Nats = await startNats(options);
  const { url, websocketUrl, port } = server;
  return {
    url,
    websocketUrl,
    port,
    pid: () => server.pid,
    monitorUrl: () => server.monitorUrl,
    replaceTls: (tls) => server.replaceTls(tls),
    kill9: () => server.kill9(),
    stop: () => server.stop(),
    async start() {
      server = await startNats({ ...options, port });
    },
    async [Symbol.asyncDispose]() {
      await server.kill9();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
