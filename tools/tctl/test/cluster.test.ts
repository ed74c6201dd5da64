import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIdentityFile } from '@postern/identity';
import {
  type FakeControlPlane,
  fakeControlPlane,
  runToolHere,
  temporaryFolder,
  type ToolOptions,
} from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { tctl } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('admin');
});

afterAll(() => plane[Symbol.asyncDispose]());

beforeEach(() => {
  plane.clusters = [
    { name: 'prod', labels: { env: 'prod', 'teleport.dev/origin': 'dynamic' } },
    { name: 'demo', labels: {} },
  ];
});

function run(args: readonly string[], options: ToolOptions & { folder?: string } = {}) {
  const folder = options.folder ?? temporaryFolder();
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder, ...options });
}

describe('tctl status', () => {
  test('prints name, version and pin', async () => {
    expect((await run(['status'])).out).toBe(
      `Cluster  example.test\nVersion  0.1.0\nCA pin   sha256:${'ab'.repeat(32)}\n`,
    );
  });
});

describe('tctl get kube_server', () => {
  const unhealthy = {
    status: 'unhealthy',
    reason: 'permissions',
    message: 'its credentials may not get pods',
    reachable: true,
    kubernetes_version: 'v1.30.0',
  };

  test('gives what each agent serves, and how it is there', async () => {
    const { out } = await run(['get', 'kube_servers', '--format=json']);
    const [first, ...others] = JSON.parse(out) as Record<string, unknown>[];
    expect(others).toHaveLength(1);
    expect(first).toEqual({
      kind: 'kube_server',
      version: 'v3',
      metadata: {
        name: 'prod',
        labels: { env: 'prod', 'teleport.dev/origin': 'dynamic' },
        expires: '2040-01-01T00:00:00.000Z',
      },
      spec: {
        version: '0.1.0',
        hostname: 'one',
        host_id: 'a1',
        cluster: {
          kind: 'kube_cluster',
          version: 'v3',
          metadata: { name: 'prod', labels: { env: 'prod', 'teleport.dev/origin': 'dynamic' } },
          spec: {},
        },
      },
      status: { target_health: unhealthy },
    });
    expect(parse((await run(['get', 'kube_server/demo'])).out)).toMatchObject({
      metadata: { name: 'demo' },
      status: { target_health: unhealthy },
    });
  });

  test('prints a table', async () => {
    const { out } = await run(['get', 'kube_servers', '--format=text', '-v']);
    expect(out).toMatch(/^Cluster Hostname Labels +Version Health/m);
    expect(out).toMatch(/^demo +one +0\.1\.0 +unhealthy: its credentials may not get pods$/m);
  });

  test('of a name that nobody serves is not found, and none can be removed', async () => {
    expect((await run(['get', 'kube_server/nope'])).code).toBe(5);
    expect((await run(['rm', 'kube_server/prod'])).code).toBe(2);
  });
});

describe('tctl kube ls', () => {
  test('prints what is served', async () => {
    expect((await run(['kube', 'ls'])).out).toBe(
      [
        'Cluster Labels                               Version',
        '------- ------------------------------------ -------',
        'demo                                         0.1.0',
        'prod    env=prod teleport.dev/origin=dynamic 0.1.0',
        '',
      ].join('\n'),
    );
  });

  test('filters by labels and words', async () => {
    expect(JSON.parse((await run(['kube', 'ls', 'env=prod', '--format=json'])).out)).toMatchObject([
      { name: 'prod' },
    ]);
    expect((await run(['kube', 'ls', '--search=DEM', '--format=json'])).out).not.toContain('prod');
  });
});

describe('tctl inventory', () => {
  test('status counts, sorted and aligned', async () => {
    expect((await run(['inventory', 'status'])).out).toBe(
      [
        'Versions:',
        '  0.0.9: 1',
        '  0.1.0: 1',
        'Upgraders:       none',
        'Services:',
        '  Discovery: 1',
        '  Kube:      2',
        'Total Instances: 2',
        '',
      ].join('\n'),
    );
  });

  test('status lists who is connected', async () => {
    expect((await run(['inventory', 'status', '--connected'])).out).toBe(
      'Server ID Services Version Upgrader\n--------- -------- ------- --------\na1        Kube     0.1.0   none\n',
    );
  });

  test('status prints one line of JSON', async () => {
    const { out } = await run(['inventory', 'status', '--format=json']);
    expect(out.split('\n')).toHaveLength(2);
    expect(Object.keys(JSON.parse(out) as object)).toEqual([
      'Connected',
      'VersionCounts',
      'UpgraderCounts',
      'ServiceCounts',
      'InstanceCount',
      'LockedCount',
    ]);
  });

  test('ls lists and filters', async () => {
    expect((await run(['inventory', 'ls', '--older-than=0.1.0'])).out).toBe(
      [
        'Server ID Hostname Services       Agent Version Upgrader Upgrader Version Update Group',
        '--------- -------- -------------- ------------- -------- ---------------- ------------',
        'b2        two      Kube,Discovery 0.0.9         unit     none             none',
        '',
      ].join('\n'),
    );
    expect(
      (await run(['inventory', 'list', '--services=kube,discovery', '--upgrader=none'])).out.split('\n'),
    ).toHaveLength(3);
  });

  test('ls says which agents are locked, by what and why', async () => {
    const spec = { target: { server_id: 'a1' }, message: 'stolen' };
    plane.resources.set('lock/l1', { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec });
    const { out, err } = await run(['inventory', 'ls']);
    expect(err).toBe('a1 is locked by lock/l1: stolen\n');
    expect(out).not.toContain('stolen');
    const agents = JSON.parse((await run(['inventory', 'ls', '--format=json'])).out) as object[];
    plane.resources.delete('lock/l1');
    expect(agents).toMatchObject([{ agentId: 'a1', lock: 'l1', lockMessage: 'stolen' }, { agentId: 'b2' }]);
  });

  test('ls and status know whom a lock on a token stops', async () => {
    const spec = { target: { join_token: `sha256:${'ab'.repeat(32)}` } };
    plane.resources.set('lock/l1', { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec });
    const joined = { agentIds: ['b2', 'gone'], isLast: true };
    plane.replies.set(`/v1/agents/by-token/${'ab'.repeat(32)}`, joined);
    const { err } = await run(['inventory', 'ls']);
    const [status, counted] = [
      await run(['inventory', 'status']),
      await run(['inventory', 'status', '--format=json']),
    ];
    plane.resources.delete('lock/l1');
    expect(err).toBe('b2 is locked by lock/l1\n');
    expect(status.out).toContain('Locked Instances: 2\n');
    expect(JSON.parse(counted.out)).toMatchObject({ LockedCount: 2 });
  });

  test.each([
    ['told', 'has closed its connections'],
    ['pending', 'CANNOT BE REACHED NOW'],
    ['cannot-be-told', 'CANNOT BE TOLD'],
  ] as const)('revoke says what became of it on the bus: %s', async (bus, said) => {
    plane.revokedOnBus = bus;
    const { code, out } = await run(['inventory', 'revoke', 'a1', '--message=stolen']);
    expect([code, out]).toEqual([0, expect.stringContaining('Agent "a1" has been revoked')]);
    expect(out).toContain(said);
    expect(out.includes('2026-11-22T02:00:00.000Z')).toBe(bus !== 'told');
  });

  test('revoke of an agent that never joined fails', async () => {
    const { code, err } = await run(['inventory', 'revoke', 'a/../b']);
    expect([code, err]).toEqual([5, expect.stringContaining('no agent a/../b has joined')]);
  });

  test.each([
    [['inventory', 'status', '--format=xml'], 'ERROR: unknown format: "xml"\n'],
    [['inventory', 'ls', '--format=xml'], 'ERROR: unknown format "xml", must be one of ["text", "json"]\n'],
  ])('%j is refused', async (args, err) => {
    expect(await run(args)).toEqual({ code: 2, out: '', err });
  });
});

describe('tctl auth sign', () => {
  test('makes an identity file that acts as the user', async () => {
    const folder = temporaryFolder();
    const { out } = await run(['auth', 'sign', '--user=ann', '--ttl=1h', '--out=ann.pem'], { folder });
    expect(out).toBe('The credentials have been written to ann.pem\n');
    const path = join(folder, 'ann.pem');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await readIdentityFile(path)).toMatchObject({ clusterName: 'example.test', proxy: plane.proxy });
    const status = await runToolHere(tctl, ['-i', 'ann.pem', 'status'], { cwd: folder });
    expect([status.code, plane.requests.at(-1)?.user]).toEqual([0, 'ann']);
  });

  test('makes a kubeconfig that needs nothing beside kubectl', async () => {
    const folder = temporaryFolder();
    await run(
      ['auth', 'sign', '--user=ann', '--format=kubernetes', '--kube-cluster-name=demo', '-o', 'kubeconfig'],
      { folder },
    );
    const config = parse(readFileSync(join(folder, 'kubeconfig'), 'utf8')) as Record<string, unknown>;
    const server = `https://${plane.proxy}/v1/teleport/${Buffer.from('example.test').toString('base64url')}/ZGVtbw`;
    expect(config).toMatchObject({
      'current-context': 'example.test-demo',
      clusters: [{ name: 'example.test-demo', cluster: { server } }],
      contexts: [{ context: { cluster: 'example.test-demo', user: 'ann@example.test' } }],
      users: [{ user: { 'client-key-data': expect.any(String) as string } }],
    });
  });

  test('names every served cluster when none is named, and selects none of several', async () => {
    const folder = temporaryFolder();
    await run(['auth', 'sign', '--user=ann', '--format=kubernetes', '--out=kubeconfig'], { folder });
    const config = parse(readFileSync(join(folder, 'kubeconfig'), 'utf8')) as { clusters: unknown[] };
    expect(config).toMatchObject({ 'current-context': '' });
    expect(config.clusters).toHaveLength(2);
  });

  test('replaces a file only with --overwrite, and signs nothing before it knows', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'x.pem'), 'mine');
    plane.requests.length = 0;
    expect(await run(['auth', 'sign', '--user=ann', '--out=x.pem'], { folder })).toMatchObject({ code: 6 });
    expect([plane.requests.length, readFileSync(join(folder, 'x.pem'), 'utf8')]).toEqual([0, 'mine']);
    expect(await run(['auth', 'sign', '--user=ann', '--out=x.pem', '--overwrite'], { folder })).toMatchObject(
      { code: 0 },
    );
    expect(existsSync(join(folder, 'x.pem'))).toBe(true);
  });

  test('needs a user and a file', async () => {
    expect((await run(['auth', 'sign', '--out=x'])).err).toMatch(/required option '--user <name>'/);
  });
});

describe('tctl without an identity', () => {
  test('says how to get one', async () => {
    const { code, err } = await runToolHere(tctl, ['status'], {
      env: { HOME: temporaryFolder() },
      cwd: temporaryFolder(),
    });
    expect(code).toBe(3);
    expect(err).toMatch(/^ERROR: Not logged in\. .*\n$/);
  });
});
