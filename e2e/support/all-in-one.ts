import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, startNats, startPostgres } from '@postern/lab';
import { openBusKeys, openDataDir } from '@postern/postern';
import { root, startProcess, type Tools, toolsFor, until } from '@postern/testkit';

/** A control plane by one teleport.yaml, in one process, with a Postgres and a NATS of its own. */
export interface AllInOne extends AsyncDisposable {
  /** `host:port` */
  readonly edge: string;
  readonly file: string;
  readonly dataDir: string;
  readonly admin: Tools;
  readonly postgresUrl: string;
}

/** A token of its configuration, for the roles Node and App. */
export const staticToken = 'canary-static-token-of-the-all-in-one';

/** Starts it and waits until tctl reaches it. */
export async function startAllInOne(folder: string, env: Record<string, string> = {}): Promise<AllInOne> {
  await using scope = new AsyncDisposableStack();
  const dataDir = join(folder, 'data');
  const file = join(folder, 'control-plane.yaml');
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
  scope.defer(() => postgres.stop());
  const bus = await openBusKeys(openDataDir(dataDir));
  const { natsConfig: config, tls } = bus;
  const nats = await startNats({ dir: join(folder, 'nats'), config, tls, websocket: true });
  scope.defer(() => nats.stop());
  const edge = `127.0.0.1:${await freePort()}`;
  await writeFile(
    file,
    `version: v3\nteleport:\n  data_dir: ${dataDir}\nauth_service:\n  enabled: "yes"\n  cluster_name: one.example.com\n  tokens: ["node,app:${staticToken}"]\n` +
      `proxy_service:\n  enabled: "yes"\n  web_listen_addr: ${edge}\n  public_addr: ${edge}\nssh_service: {enabled: "no"}\n`,
  );
  const running = startProcess({
    name: 'control-plane',
    command: join(root, 'bin', 'postern'),
    args: ['start', '-c', file],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      POSTERN_PG_URL: postgres.url,
      POSTERN_NATS_URL: nats.url,
      POSTERN_HEARTBEAT_INTERVAL: '1s',
      // Agents elsewhere come to the bus through the edge; what runs here does not.
      POSTERN_NATS_WS_URL: nats.websocketUrl!,
      ...bus.env,
      ...env,
    },
    cwd: folder,
    logDir: folder,
  });
  scope.defer(() => running.stop().then(() => undefined));
  const admin = toolsFor({ home: folder, dataDir });
  await until('tctl status', async () => (await admin.run('tctl', ['status'])).code === 0, {
    withinMs: 60_000,
  });
  const open = scope.move();
  return {
    edge,
    file,
    dataDir,
    admin,
    postgresUrl: postgres.url,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
