import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type Nats, type Postgres, startNats, startPostgres } from '@postern/lab';
import { openBusKeys, openDataDir } from '@postern/postern';
import { root, type RunningProcess, runCommand, startProcess, toolsFor, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

describe('postern start with auth_service and proxy_service', () => {
  let folder: string;
  let postgres: Postgres;
  let nats: Nats;
  let running: RunningProcess;
  const file = () => join(folder, 'teleport.yaml');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-all-in-one-'));
    postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
    const bus = await openBusKeys(openDataDir(join(folder, 'data')));
    const { natsConfig: config, tls } = bus;
    nats = await startNats({ dir: join(folder, 'nats'), config, tls, websocket: true });
    const edge = `127.0.0.1:${await freePort()}`;
    await writeFile(
      file(),
      `version: v3\nteleport:\n  data_dir: ${join(folder, 'data')}\nauth_service:\n  enabled: "yes"\n  cluster_name: one.example.com\n` +
        `proxy_service:\n  enabled: "yes"\n  web_listen_addr: ${edge}\n  public_addr: ${edge}\nssh_service: {enabled: "no"}\n`,
    );
    running = startProcess({
      name: 'postern',
      command: join(root, 'bin', 'postern'),
      args: ['start', '-c', file()],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        POSTERN_PG_URL: postgres.url,
        POSTERN_NATS_URL: nats.url,
        POSTERN_HEARTBEAT_INTERVAL: '1s',
        // Agents elsewhere come to the bus through the edge; what runs here does not.
        POSTERN_NATS_WS_URL: nats.websocketUrl!,
        ...bus.env,
      },
      cwd: folder,
      logDir: folder,
    });
  });

  afterAll(async () => {
    await running?.stop();
    await nats?.stop();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('is a control plane that tctl reaches', async () => {
    const admin = toolsFor({ home: folder, dataDir: join(folder, 'data') });
    const status = await until('tctl status', async () => {
      const { code, stdout } = await admin.run('tctl', ['status']);
      return code === 0 && stdout;
    });
    expect(status).toContain('one.example.com');
    expect(await admin.must('tctl', ['get', 'users/admin', '--format=json'])).toContain('"admin"');
  });

  test('has every service on the bus', async () => {
    const admin = toolsFor({ home: folder, dataDir: join(folder, 'data') });
    await until('all are online', async () => {
      const listed = await admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
      const services = (JSON.parse(listed) as { services: string[] }[]).flatMap((agent) => agent.services);
      return ['Auth', 'Auth', 'Auth', 'Proxy'].every((name, at) => services.toSorted()[at] === name);
    });
  });

  test('says which servers are missing', async () => {
    const { code, stderr } = await runCommand(join(root, 'bin', 'postern'), ['start', '-c', file()], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    });
    expect(code).toBe(7);
    expect(stderr).toContain('set POSTERN_PG_URL and POSTERN_NATS_URL');
  });
});
