import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runCommand, startProcess, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AllInOne, startAllInOne, staticToken } from './support/all-in-one.ts';

describe('postern start with auth_service and proxy_service', () => {
  let folder: string;
  let plane: AllInOne;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-all-in-one-'));
    plane = await startAllInOne(folder);
  });

  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('is a control plane that tctl reaches', async () => {
    const { admin } = plane;
    expect(await admin.must('tctl', ['status'])).toContain('one.example.com');
    expect(await admin.must('tctl', ['get', 'users/admin', '--format=json'])).toContain('"admin"');
  });

  test('has every service on the bus', async () => {
    await until('all are online', async () => {
      const listed = await plane.admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
      const services = (JSON.parse(listed) as { services: string[] }[]).flatMap((agent) => agent.services);
      return ['Auth', 'Auth', 'Auth', 'Proxy'].every((name, at) => services.toSorted()[at] === name);
    });
  });

  test('pings and shows each of them', async () => {
    const listed = await plane.admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
    for (const { agentId } of JSON.parse(listed) as { agentId: string }[]) {
      expect(await plane.admin.must('tctl', ['inventory', 'ping', agentId])).toMatch(
        `Successfully pinged server "${agentId}" (~`,
      );
      expect(await plane.admin.must('tctl', ['inventory', 'show', agentId])).toMatch(/^Clock: +0 s/m);
    }
  });

  test('lets in who has a static token, shows no value of it, and has no tctl remove it', async () => {
    const { admin, edge } = plane;
    const id = createHash('sha256').update(staticToken).digest('hex');
    const kept = await readFile(join(plane.dataDir, 'static-tokens'), 'utf8');
    expect(kept).toBe(`node,app:sha256:${id}\n`);
    const listed = await admin.must('tctl', ['tokens', 'ls']);
    expect(listed).toMatch(new RegExp(`sha256:${id} +Node,App +never \\(static\\)`));
    expect(listed).not.toContain(staticToken);
    const { code, stderr } = await admin.run('tctl', ['tokens', 'rm', staticToken]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('is static')]);
    const pin = /sha256:[0-9a-f]{64}/.exec(await admin.must('tctl', ['status']))?.[0];
    const config =
      `version: v3\nteleport:\n  proxy_server: ${edge}\n  ca_pin: ${pin}\n  data_dir: ${join(folder, 'node')}\n` +
      `  nodename: by-static-token\n  join_params: {token_name: ${staticToken}, method: token}\n` +
      'auth_service: {enabled: "no"}\nproxy_service: {enabled: "no"}\nssh_service: {enabled: "yes"}\n';
    const file = join(folder, 'node.yaml');
    await writeFile(file, config, { mode: 0o600 });
    const node = startProcess({
      name: 'node',
      command: join(root, 'bin', 'postern'),
      args: ['start', '-c', file],
      env: { ...admin.env, POSTERN_HEARTBEAT_INTERVAL: '1s' },
      cwd: folder,
      logDir: folder,
    });
    await until('it is in the inventory', async () =>
      (await admin.must('tctl', ['inventory', 'ls', '--connected'])).includes('by-static-token'),
    );
    await node.stop();
  });

  test('says which servers are missing', async () => {
    const { code, stderr } = await runCommand(join(root, 'bin', 'postern'), ['start', '-c', plane.file], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    });
    expect(code).toBe(7);
    expect(stderr).toContain('set POSTERN_PG_URL and POSTERN_NATS_URL');
  });
});
