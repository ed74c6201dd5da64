import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiServer, checkHealth } from '@postern/kube';
import { freePort, type KubeApiServer, locateKubectl, startKubeApiServer } from '@postern/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Responder, startEchoApiServer } from './support/echo-api-server.ts';
import { at, dial, echoKubeconfig, raw, type Rig, startEchoRig, startRig } from './support/rig.ts';

const dir = mkdtempSync(join(tmpdir(), 'postern-health-'));
let server: KubeApiServer;
let kubectl: string;
let rig: Rig;

beforeAll(async () => {
  server = await startKubeApiServer({ dir: join(dir, 'kube'), durable: false });
  kubectl = (await locateKubectl()) ?? 'kubectl';
  rig = await startRig();
}, 180_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function admin(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { KUBECONFIG: server.kubeconfig, HOME: dir, PATH: process.env['PATH'] };
    const child = execFile(kubectl, ['--request-timeout=20s', ...args], { env }, (error, out, err) =>
      error ? reject(new Error(err)) : resolve(out),
    );
    child.stdin?.end(input);
  });
}

async function tokenOf(account: string): Promise<string> {
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const path = `/api/v1/namespaces/default/serviceaccounts/${account}/token`;
  const reply = await admin(['create', '--raw', path, '-f', '-'], JSON.stringify(request));
  return (JSON.parse(reply) as { status: { token: string } }).status.token;
}

const data = (text: string) => Buffer.from(text).toString('base64');

function kubeconfigFor(user: Record<string, string>, url = server.url): string {
  const ca = readFileSync(server.caFile).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    clusters: [{ name: 'x', cluster: { server: url, 'certificate-authority-data': ca } }],
    users: [{ name: 'x', user }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
  });
}

/** Registers a cluster and waits until its agent has found out how it is. */
async function conditionOf(name: string, kubeconfig: string) {
  rig.kubeconfigs.set(name, data(kubeconfig));
  rig.resources.put({ kind: 'kube_cluster', version: 'v3', metadata: { name, labels: {} }, spec: {} });
  const found = () => rig.kube.role.clusters.report().find((cluster) => cluster.name === name);
  await expect.poll(() => found()?.condition?.state, { timeout: 15_000 }).not.toBe('unknown');
  const { health, condition } = found()!;
  return { health, ...condition };
}

describe('the condition of a cluster', () => {
  test('is healthy with the rights of an agent and no more', async () => {
    await admin(['create', 'serviceaccount', 'agent']);
    const rules = [
      { apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    ];
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'agent' },
      rules,
    };
    await admin(['create', '-f', '-'], JSON.stringify(role));
    await admin([
      'create',
      'clusterrolebinding',
      'agent',
      '--clusterrole=agent',
      '--serviceaccount=default:agent',
    ]);
    expect(await conditionOf('minimal', kubeconfigFor({ token: await tokenOf('agent') }))).toEqual({
      health: 'online',
      state: 'healthy',
      reason: 'ok',
      message: '',
    });
  });

  test('warns of credentials that may do everything (K-15)', async () => {
    const user = {
      'client-certificate-data': readFileSync(server.admin.cert).toString('base64'),
      'client-key-data': readFileSync(server.admin.key).toString('base64'),
    };
    expect(await conditionOf('too-much', kubeconfigFor(user))).toMatchObject({
      health: 'online',
      state: 'healthy',
      reason: 'over_privileged',
      message: expect.stringContaining('may do everything in the cluster') as string,
    });
  });

  test('names the rights that are missing', async () => {
    await admin(['create', 'serviceaccount', 'powerless']);
    expect(await conditionOf('too-little', kubeconfigFor({ token: await tokenOf('powerless') }))).toEqual({
      health: 'online',
      state: 'unhealthy',
      reason: 'permissions',
      message:
        'its credentials may not impersonate users, impersonate groups, impersonate serviceaccounts, get pods',
    });
  });

  test('says that credentials are not accepted', async () => {
    expect(await conditionOf('expired', kubeconfigFor({ token: 'nonsense' }))).toMatchObject({
      health: 'online',
      state: 'unhealthy',
      reason: 'credentials',
      message: expect.stringContaining('does not accept the credentials') as string,
    });
  });

  test('tells a server that cannot be reached from one that is not well', async () => {
    const nobody = `https://127.0.0.1:${await freePort()}`;
    expect(await conditionOf('nowhere', kubeconfigFor({ token: 'x' }, nobody))).toMatchObject({
      health: 'offline',
      state: 'unhealthy',
      reason: 'network',
    });
    await using echo = await startEchoApiServer();
    echo.probes = ({ requestLine }, socket) => {
      const status = requestLine.startsWith('GET /readyz') ? '500 Internal Server Error' : '503 Unavailable';
      socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
    };
    expect(await conditionOf('starting', echoKubeconfig(echo))).toMatchObject({
      health: 'online',
      reason: 'component',
      message: 'it answered 503 to an access review; /readyz answers 500',
    });
    echo.probes = undefined;
    await expect
      .poll(() => rig.kube.role.clusters.report().find(({ name }) => name === 'starting')?.condition?.state, {
        timeout: 15_000,
      })
      .toBe('healthy');
  });
});

describe('a kubeconfig that got to an agent', () => {
  const canary = join(dir, 'was-run');
  const run = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: '/bin/sh',
    args: ['-c', `touch ${canary}`],
  };
  test.each<[string, Record<string, unknown>]>([
    ['an exec plugin (K-01)', { exec: { ...run, interactiveMode: 'Never' } }],
    ['an auth provider (K-02)', { 'auth-provider': { name: 'gcp', config: { 'cmd-path': '/bin/sh' } } }],
    ['a token file (K-03)', { tokenFile: '/etc/hostname' }],
  ])('with %s is not served, and nothing is run or read for it', async (name, user) => {
    const id = `hostile-${name.replaceAll(/\W+/g, '-')}`;
    rig.kubeconfigs.set(id, data(kubeconfigFor(user as Record<string, string>)));
    rig.resources.put({ kind: 'kube_cluster', version: 'v3', metadata: { name: id, labels: {} }, spec: {} });
    const told = () => rig.telemetry.lines.filter((line) => JSON.stringify(line).includes(id));
    await expect.poll(() => told().length, { timeout: 5000 }).toBeGreaterThan(0);
    expect(JSON.stringify(told())).toContain('cannot be served yet');
    expect(rig.kube.role.clusters.has(id)).toBe(false);
    expect(existsSync(canary)).toBe(false);
    rig.resources.remove('kube_cluster', id);
  });
});

describe('a cluster that means harm', () => {
  const answers: Record<string, Responder> = {
    'answers without end': (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      const more = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', more);
      more();
    },
    'sends a header of a megabyte': (_, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}\r\n\r\n`);
    },
    redirects: (_, socket) => {
      socket.write('HTTP/1.1 302 Found\r\nlocation: https://169.254.169.254/\r\ncontent-length: 0\r\n\r\n');
    },
    'speaks no HTTP': (_, socket) => void socket.write('SSH-2.0-OpenSSH_9.9\r\n'),
  };

  test.each(Object.entries(answers))(
    'because it %s is not healthy, and no other notices (K-12)',
    async (_, answer) => {
      await using hostile = await startEchoApiServer();
      await using echoRig = await startEchoRig();
      hostile.probes = answer;
      hostile.respond = answer;
      const name = 'hostile';
      echoRig.kubeconfigs.set(name, data(echoKubeconfig(hostile)));
      echoRig.resources.put({
        kind: 'kube_cluster',
        version: 'v3',
        metadata: { name, labels: {} },
        spec: {},
      });
      const condition = () =>
        echoRig.kube.role.clusters.report().find((one) => one.name === name)?.condition?.state;
      await expect.poll(condition, { timeout: 15_000 }).toBe('unhealthy');
      const get = (cluster: string) => `GET ${at(cluster, '/version')} HTTP/1.1\r\nHost: edge\r\n\r\n`;
      // Read by nobody: what is not read must not be collected either.
      const attack = await dial(echoRig, echoRig.alice);
      attack.on('error', () => undefined);
      attack.pause();
      attack.write(get(name));
      expect(await raw(echoRig, echoRig.alice, get('c1'))).toContain('HTTP/1.1 200');
      attack.destroy();
    },
  );
});

test('the conditions of clusters are counted', async () => {
  expect(rig.kube.role.clusters.conditions()).toMatchObject({ healthy: 3, unhealthy: 3 });
});

describe('credentials that an API server refuses', () => {
  test('are replaced once, and the next request is sent with the new ones', async () => {
    await using echo = await startEchoApiServer();
    let issued = 0;
    const settings = {
      server: echo.url,
      ca: echo.ca,
      credentials: async () => ({ headers: ['authorization', `Bearer token-${(issued += 1)}`] }),
    };
    const time = { ms: Date.now() };
    await using api = new ApiServer(settings, { mayConnect: () => true }, () => new Date(time.ms));
    await api.credentials.refresh();
    time.ms += 10_000;
    const sent: string[] = [];
    echo.probes = ({ headers, body }, socket) => {
      const token = headers.find(([name]) => name === 'authorization')![1];
      sent.push(token);
      const reply = JSON.stringify({ status: { allowed: !body.includes('"*"') } });
      const line = token === 'Bearer token-1' ? '401 Unauthorized' : '200 OK';
      socket.write(`HTTP/1.1 ${line}\r\ncontent-length: ${reply.length}\r\n\r\n${reply}`);
    };
    const { condition } = await checkHealth(api);
    expect(condition.state).toBe('healthy');
    expect(issued).toBe(2);
    expect(new Set(sent)).toEqual(new Set(['Bearer token-1', 'Bearer token-2']));
  });
});

test('an authority that is replaced in its file is trusted by new connections', async () => {
  await using echo = await startEchoApiServer();
  await using other = await startEchoApiServer();
  const caFile = join(dir, 'ca.crt');
  writeFileSync(caFile, other.ca);
  await using api = new ApiServer({ server: echo.url, ca: other.ca, caFile }, { mayConnect: () => true });
  expect((await checkHealth(api)).condition.reason).toBe('network');
  writeFileSync(caFile, echo.ca);
  await api.reload();
  expect((await checkHealth(api)).condition.state).toBe('healthy');
  writeFileSync(caFile, '');
  await api.reload();
  expect((await checkHealth(api)).condition.state).toBe('healthy');
});

test('a request of a user that is answered 401 makes the agent ask for other credentials', async () => {
  await using echoRig = await startEchoRig();
  const { echo, alice } = echoRig;
  let issued = 0;
  await echoRig.kube.role.clusters.open({
    name: 'renewing',
    origin: 'config-file',
    labels: {},
    settings: {
      server: echo.url,
      ca: echo.ca,
      credentials: async () => ({ headers: ['authorization', `Bearer token-${(issued += 1)}`] }),
    },
    labelCommands: {},
  });
  echo.respond = ({ headers }, socket) => {
    const isFirst = headers.some(([name, value]) => name === 'authorization' && value === 'Bearer token-1');
    const body = '{"kind":"PodList","items":[]}';
    const line = isFirst ? '401 Unauthorized' : '200 OK';
    socket.write(
      `HTTP/1.1 ${line}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  };
  const get = () =>
    raw(echoRig, alice, `GET ${at('renewing', '/api/v1/pods')} HTTP/1.1\r\nHost: edge\r\n\r\n`);
  await expect.poll(get, { timeout: 5000 }).toContain('HTTP/1.1 401');
  await expect.poll(get, { timeout: 15_000 }).toContain('HTTP/1.1 200');
  expect(issued).toBe(2);
});
