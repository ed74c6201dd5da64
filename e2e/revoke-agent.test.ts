import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@postern/lab';
import { root, type RunningProcess, startProcess, until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { npmStart, type Started } from './support/npm-start.ts';

const token = 'a-token-of-an-agent-that-is-stolen';
let folder: string;
let running: Started;
let agent: RunningProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-revoke-'));
  running = await npmStart({
    folder,
    dataDir: join(folder, 'data'),
    port: await freePort(),
    args: ['--no-demo'],
  });
  await running.admin.must('tctl', ['tokens', 'add', '--type=kube', `--value=${token}`]);
  agent = await startAgent();
});

afterAll(async () => {
  await agent?.stop();
  await running?.process.stop();
  await rm(folder, { recursive: true, force: true });
});

async function startAgent(): Promise<RunningProcess> {
  const status = await running.admin.must('tctl', ['status']);
  const dataDir = join(folder, 'agent');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const config = {
    version: 'v3',
    teleport: {
      proxy_server: running.proxyAddr,
      ca_pin: /sha256:[0-9a-f]{64}/.exec(status)?.[0],
      data_dir: dataDir,
      nodename: 'stolen-laptop',
      join_params: { token_name: token, method: 'token' },
    },
    auth_service: { enabled: 'no' },
    proxy_service: { enabled: 'no' },
    ssh_service: { enabled: 'no' },
    kubernetes_service: { enabled: 'yes', resources: [{ labels: { '*': '*' } }] },
  };
  const file = join(folder, 'agent.yaml');
  await writeFile(file, stringify(config), { mode: 0o600 });
  return startProcess({
    name: 'agent',
    command: join(root, 'bin', 'postern'),
    args: ['start', '-c', file],
    env: { ...running.admin.env, POSTERN_HEARTBEAT_INTERVAL: '1s' },
    cwd: folder,
    logDir: folder,
  });
}

interface Listed {
  readonly agentId: string;
  readonly hostname: string;
  readonly presence: string;
}

async function stolen(): Promise<Listed | undefined> {
  const { stdout } = await running.admin.run('tctl', ['inventory', 'ls', '--format=json']);
  return (JSON.parse(stdout) as Listed[]).find(({ hostname }) => hostname === 'stolen-laptop');
}

const agentLog = () => readFile(agent.logFile, 'utf8');

test('a lock on a token cuts off who joined by it, and its removal lets them go on', async () => {
  const { agentId } = await until('it is online', async () => {
    const listed = await stolen();
    return listed?.presence === 'online' && listed;
  });
  await until('it has a tunnel', async () => (await agentLog()).includes('tunnel'));
  const before = (await agentLog()).length;
  const said = await running.admin.must('tctl', ['lock', `--token=${token}`, '--message=token leaked']);
  const isCut = async () => (await agentLog()).slice(before).includes('a tunnel is closed');
  await until('its tunnel is cut', isCut, { withinMs: 5000 });
  const [, name] = /with name "([^"]+)"/.exec(said) ?? [];
  await until('it is offline', async () => (await stolen())?.presence !== 'online');
  await until('it is told why', async () => (await agentLog()).includes('token leaked'));
  const { stderr } = await running.admin.run('tctl', ['inventory', 'ls']);
  expect(stderr).toContain(`${agentId} is locked by lock/${name}: token leaked`);
  const locks = await running.admin.must('tctl', ['get', 'locks']);
  expect(locks).toContain('sha256:');
  expect(locks).not.toContain(token);
  await running.admin.must('tctl', ['rm', `lock/${name}`]);
  await until('it is back', async () => {
    // It ends by itself when it has asked whether its identity holds, and is begun again by whoever looks after it.
    if (agent.outcome() !== undefined) agent = await startAgent();
    return (await stolen())?.presence === 'online';
  });
});

test('an agent that is revoked is gone within two seconds and cannot come back', async () => {
  const { agentId } = await until('it is online', async () => {
    const listed = await stolen();
    return listed?.presence === 'online' && listed;
  });
  const earlier = (await agentLog()).length;
  await running.admin.must('tctl', ['tokens', 'rm', token]);
  const said = await running.admin.must('tctl', ['inventory', 'revoke', agentId, '--message=stolen']);
  const began = performance.now();
  expect(said).toContain('The bus has closed its connections');
  await until('it is offline', async () => (await stolen())?.presence !== 'online', { withinMs: 5000 });
  expect(performance.now() - began).toBeLessThan(2000);
  await until('the bus refuses it', async () =>
    (await agentLog()).slice(earlier).includes('Authorization Violation'),
  );
  const before = (await agentLog()).length;
  await agent.stop();
  agent = await startAgent();
  await until('it is refused after a restart too', async () =>
    /was revoked/.test((await agentLog()).slice(before)),
  );
  expect((await stolen())?.presence).not.toBe('online');
  const again = await running.admin.must('tctl', ['inventory', 'revoke', agentId]);
  expect(again).toContain('has been revoked');
});
