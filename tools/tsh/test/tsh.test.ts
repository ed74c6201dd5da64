import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FakeControlPlane,
  fakeControlPlane,
  runToolHere,
  temporaryFolder,
  type ToolOptions,
} from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { tsh } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;
let home: string;

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('ann');
});

afterAll(() => plane[Symbol.asyncDispose]());

beforeEach(() => {
  home = temporaryFolder();
  writeFileSync(join(home, 'id.pem'), identity, { mode: 0o600 });
  plane.requests.length = 0;
  plane.kubernetesGroups = ['postern:admins'];
  plane.clusters = [
    { name: 'mycluster', labels: { 'teleport.dev/origin': 'dynamic', 'teleport.internal/x': 'y' } },
  ];
});

function run(args: readonly string[], options: ToolOptions = {}) {
  const env = { HOME: home, TELEPORT_IDENTITY_FILE: join(home, 'id.pem'), ...options.env };
  return runToolHere(tsh, args, { cwd: home, ...options, env });
}

const kubeconfigPath = () => join(home, '.kube', 'config');
const kubeconfig = () => parse(readFileSync(kubeconfigPath(), 'utf8')) as Record<string, unknown>;

describe('tsh status', () => {
  test('prints who is signed in', async () => {
    const { out } = await run(['status'], { clock: () => new Date() });
    expect(out).toContain(`> Profile URL:       https://${plane.proxy}\n`);
    expect(out).toContain('  Logged in as:      ann\n');
    expect(out).toContain('  Roles:             access, editor\n');
    expect(out).toContain('  Kubernetes groups: postern:admins\n');
    expect(out).toMatch(/ {2}Valid until: {7}\S+ \[valid for (1h0m0s|\d+m\d+s)\]\n$/);
    expect(out).not.toContain('Logins');
  });

  test('prints the JSON that scripts read', async () => {
    const status = JSON.parse((await run(['status', '-f', 'json'])).out) as object;
    expect(status).toMatchObject({
      active: { username: 'ann', roles: ['access', 'editor'], cluster: 'example.test' },
      profiles: [],
    });
  });

  test('without anything says so', async () => {
    const outcome = await run(['status'], { env: { TELEPORT_IDENTITY_FILE: '' } });
    expect([outcome.code, outcome.err.startsWith('ERROR: Not logged in.')]).toEqual([3, true]);
  });

  test('with an identity that is over says so', async () => {
    const outcome = await run(['status'], { clock: () => new Date(Date.now() + 86_400_000) });
    expect([outcome.code, outcome.err.startsWith('ERROR: Active profile expired.')]).toEqual([3, true]);
  });
});

describe('tsh kube ls', () => {
  test('prints clusters, labels, and the selected one', async () => {
    expect((await run(['kube', 'ls'])).out).toBe(
      'Kube Cluster Name Labels                      Selected\n----------------- --------------------------- --------\nmycluster         teleport.dev/origin=dynamic\n',
    );
    await run(['kube', 'login', 'mycluster']);
    expect((await run(['kube', 'ls'])).out).toMatch(/^mycluster +teleport.dev\/origin=dynamic \*$/m);
  });

  test('prints its titles when there is nothing', async () => {
    plane.clusters = [];
    expect((await run(['kube', 'ls'])).out).toBe(
      'Kube Cluster Name Labels Selected\n----------------- ------ --------\n',
    );
  });

  test('prints JSON with all labels', async () => {
    expect(JSON.parse((await run(['kube', 'ls', '-f', 'json'])).out)).toEqual([
      { kube_cluster_name: 'mycluster', labels: plane.clusters[0]!.labels, selected: false },
    ]);
  });

  test('says with -v how clusters are', async () => {
    expect((await run(['kube', 'ls', '-v'])).out).toMatch(
      /^mycluster .* unhealthy: its credentials may not get pods$/m,
    );
    expect(JSON.parse((await run(['kube', 'ls', '-v', '-f', 'json'])).out)).toMatchObject([
      { health: 'unhealthy', health_message: 'its credentials may not get pods' },
    ]);
  });

  test('prints rows only with -q', async () => {
    expect((await run(['kube', 'ls', '-q'])).out).toBe('mycluster teleport.dev/origin=dynamic\n');
  });

  test('filters by labels and words', async () => {
    plane.clusters.push({ name: 'other', labels: { env: 'prod' } });
    expect((await run(['kube', 'ls', '-q', 'env=prod'])).out).toBe('other env=prod\n');
    expect((await run(['kube', 'ls', '-q', '--search=PROD,oth'])).out).toBe('other env=prod\n');
  });

  test('shows no escape sequence of a label, but keeps it in JSON', async () => {
    plane.clusters = [{ name: 'x', labels: { note: '\u001B[31mred\u001B[0m' } }];
    expect((await run(['kube', 'ls', '-q'])).out).toBe('x    note=red\n');
    expect((await run(['kube', 'ls', '-f', 'json'])).out).toContain(String.raw`\u001b[31mred`);
  });

  test('lists also when the kubeconfig is broken', async () => {
    const path = join(home, 'broken');
    writeFileSync(path, '{');
    expect((await run(['kube', 'ls', '-q'], { env: { KUBECONFIG: path } })).code).toBe(0);
  });
});

describe('tsh kube login', () => {
  test('points kubectl at the cluster', async () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    expect(await run(['kube', 'login', 'mycluster'])).toEqual({
      code: 0,
      out: 'Logged into Kubernetes cluster "mycluster". Try \'kubectl version\' to test the connection.\n',
      err: '',
    });
    expect(statSync(kubeconfigPath()).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(home, '.kube'))).toEqual(['config']);
    expect(kubeconfig()).toMatchObject({
      'current-context': 'example.test-mycluster',
      users: [
        {
          name: 'example.test-mycluster',
          user: {
            exec: {
              command: '/opt/postern/bin/tsh',
              args: [
                'kube',
                'credentials',
                '--kube-cluster=mycluster',
                '--teleport-cluster=example.test',
                `--proxy=${plane.proxy}`,
                `--identity=${join(home, 'id.pem')}`,
              ],
              env: [{ name: 'TELEPORT_HOME', value: join(home, '.tsh') }],
            },
          },
        },
      ],
    });
  });

  test('writes to the first file of $KUBECONFIG', async () => {
    const [first, second] = [join(home, 'a', 'one'), join(home, 'two')];
    await run(['kube', 'login', 'mycluster'], { env: { KUBECONFIG: `:${first}:${second}` } });
    expect([existsSync(first), existsSync(second), existsSync(kubeconfigPath())]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('makes every context with --all and selects none', async () => {
    plane.clusters.push({ name: 'other', labels: {} });
    expect((await run(['kube', 'login', '--all'])).out).toBe(
      "Created kubeconfig with every Kubernetes cluster available. Select a context and try 'kubectl version' to test the connection.\n",
    );
    expect(kubeconfig()).toMatchObject({
      'current-context': '',
      contexts: [{ name: 'example.test-mycluster' }, { name: 'example.test-other' }],
    });
  });

  test('finds a cluster by the short name it was discovered under', async () => {
    plane.clusters = [{ name: 'prod-eks-us-1', labels: { 'teleport.internal/discovered-name': 'prod' } }];
    expect((await run(['kube', 'login', 'prod'])).out).toContain('"prod-eks-us-1"');
    plane.clusters.push({ name: 'prod-eks-us-2', labels: { 'teleport.internal/discovered-name': 'prod' } });
    expect(await run(['kube', 'login', 'prod'])).toMatchObject({
      code: 2,
      err: 'ERROR: "prod" stands for several clusters: prod-eks-us-1, prod-eks-us-2; give the full name\n',
    });
  });

  test.each([
    [
      ['kube', 'login'],
      2,
      "ERROR: kube-cluster name is required. Check 'tsh kube ls' for a list of available clusters.\n",
    ],
    [
      ['kube', 'login', 'x'],
      5,
      'ERROR: kubernetes cluster "x" not found, check \'tsh kube ls\' for a list of known clusters\n',
    ],
    [
      ['kube', 'login', '--all', '--set-context-name=x'],
      2,
      'ERROR: invalid --set-context-name "x": with --all it must contain {{.KubeName}}\n',
    ],
    [
      ['kube', 'login', 'mycluster', '-c', 'leaf'],
      5,
      'ERROR: cluster "leaf" not found: you are signed in to example.test\n',
    ],
  ])('%j fails with code %i and writes nothing', async (args, code, err) => {
    expect(await run(args)).toEqual({ code, out: '', err });
    expect(existsSync(kubeconfigPath())).toBe(false);
  });

  test('tells a user without Kubernetes users and groups what is missing', async () => {
    plane.kubernetesGroups = [];
    const { code, err } = await run(['kube', 'login', 'mycluster']);
    expect([code, err]).toEqual([4, expect.stringContaining('do not allow Kubernetes access') as string]);
  });

  test('with --all and no cluster says so', async () => {
    plane.clusters = [];
    expect(await run(['kube', 'login', '--all'])).toMatchObject({
      code: 5,
      err: expect.stringContaining('no kubernetes clusters found') as string,
    });
  });

  test('does not write through a symbolic link', async () => {
    const [real, link] = [join(home, 'real'), join(home, 'link')];
    writeFileSync(real, 'kind: Config\n');
    symlinkSync(real, link);
    expect(await run(['kube', 'login', 'mycluster'], { env: { KUBECONFIG: link } })).toMatchObject({
      code: 7,
    });
    expect(readFileSync(real, 'utf8')).toBe('kind: Config\n');
  });

  test('leaves a kubeconfig alone that it does not understand', async () => {
    const path = join(home, 'odd');
    writeFileSync(path, 'clusters: nonsense\n');
    const { code, err } = await run(['kube', 'login', 'mycluster'], { env: { KUBECONFIG: path } });
    expect([code, err]).toEqual([
      7,
      `ERROR: ${path}: this is not a kubeconfig that can be changed safely: clusters is not a list\n`,
    ]);
    expect(readFileSync(path, 'utf8')).toBe('clusters: nonsense\n');
  });

  test('refuses cluster names with control characters', async () => {
    plane.clusters = [{ name: 'a\nb', labels: {} }];
    expect((await run(['kube', 'login', '--all'])).code).toBe(1);
  });

  test('runs many times at once without losing an entry', async () => {
    plane.clusters = Array.from({ length: 8 }, (_, at) => ({ name: `c${at}`, labels: {} }));
    await Promise.all(plane.clusters.map(({ name }) => run(['kube', 'login', name])));
    expect((kubeconfig()['contexts'] as unknown[]).length).toBe(8);
  });
});

describe('tsh kube credentials', () => {
  const credentials = (...more: string[]) => [
    'kube',
    'credentials',
    '--kube-cluster=mycluster',
    '--teleport-cluster=example.test',
    ...more,
  ];

  test('prints an ExecCredential that ends a minute before the certificate', async () => {
    const { out, err } = await run(credentials());
    const credential = JSON.parse(out) as { status: Record<string, string> };
    expect(err).toBe('');
    expect(credential).toMatchObject({
      kind: 'ExecCredential',
      apiVersion: 'client.authentication.k8s.io/v1beta1',
    });
    expect(credential.status['clientKeyData']).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    const left = Date.parse(credential.status['expirationTimestamp']!) - Date.now();
    expect(left).toBeGreaterThan(58 * 60_000);
    expect(left).toBeLessThan(59.1 * 60_000);
  });

  test('is answered from the cache, which only its owner may read', async () => {
    const first = await run(credentials());
    const second = await run(credentials());
    const folder = join(home, '.tsh', 'credentials');
    expect(second.out).toBe(first.out);
    expect(plane.requests).toHaveLength(1);
    expect(readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([0o600]);
  });

  test('is fetched anew in its last minute', async () => {
    await run(credentials());
    await run(credentials(), { clock: () => new Date(Date.now() + 59.5 * 60_000) });
    expect(plane.requests).toHaveLength(2);
  });

  test('is fetched once by many at the same time', async () => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => run(credentials())));
    expect([new Set(outcomes.map(({ out }) => out)).size, plane.requests.length]).toEqual([1, 1]);
  });

  test('is not shared with another identity in the same file', async () => {
    await run(credentials());
    writeFileSync(join(home, 'id.pem'), await plane.identity('bob'), { mode: 0o600 });
    await run(credentials());
    expect(plane.requests.map(({ user }) => user)).toEqual(['ann', 'bob']);
  });

  test('answers in the version that kubectl asks for, for the server it is about to call', async () => {
    const server = `https://${plane.proxy}/v1/teleport/${Buffer.from('example.test').toString('base64url')}/bXljbHVzdGVy`;
    const info = (cluster: string) => ({
      KUBERNETES_EXEC_INFO: JSON.stringify({
        apiVersion: 'client.authentication.k8s.io/v1',
        spec: { cluster: { server: cluster } },
      }),
    });
    expect(JSON.parse((await run(credentials(), { env: info(server) })).out)).toMatchObject({
      apiVersion: 'client.authentication.k8s.io/v1',
    });
    expect(await run(credentials(), { env: info('https://evil.test') })).toMatchObject({ code: 4, out: '' });
    expect(
      await run(credentials(), { env: { KUBERNETES_EXEC_INFO: '{"apiVersion":"x/v9"}' } }),
    ).toMatchObject({ code: 2, out: '' });
  });

  test('refuses an identity of another cluster', async () => {
    const outcome = await run([
      'kube',
      'credentials',
      '--kube-cluster=mycluster',
      '--teleport-cluster=elsewhere',
    ]);
    expect(outcome).toMatchObject({ code: 7, out: '' });
  });
});

describe('tsh login and logout', () => {
  const foreign =
    'apiVersion: v1\nkind: Config\nclusters: []\ncontexts:\n- name: home # mine\n  context: {cluster: x, user: y}\ncurrent-context: home\nusers: []\n';

  test('login without an identity says what to do', async () => {
    const { code, err } = await run(['login', '--proxy=p.test', '--user=ann'], {
      env: { TELEPORT_IDENTITY_FILE: '' },
    });
    expect([code, err]).toEqual([7, expect.stringContaining('tctl auth sign') as string]);
  });

  test('login with an identity stores it for later', async () => {
    const env = { TELEPORT_IDENTITY_FILE: '' };
    expect((await run(['-i', 'id.pem', 'login'], { env })).out).toMatch(
      /^Logged in as ann to example.test at https:/,
    );
    expect(JSON.parse((await run(['status', '-f', 'json'], { env })).out)).toMatchObject({
      active: { username: 'ann' },
    });
    expect((await run(['logout'], { env })).out).toBe('Logged out all users from all proxies.\n');
    expect((await run(['status'], { env })).code).toBe(3);
    expect((await run(['logout'], { env })).out).toBe('All users logged out.\n');
  });

  test('logout leaves no key behind and the kubeconfig as it was', async () => {
    const path = join(home, 'kube');
    writeFileSync(path, foreign, { mode: 0o600 });
    const env = { KUBECONFIG: path };
    await run(['kube', 'login', 'mycluster'], { env });
    await run(['kube', 'credentials', '--kube-cluster=mycluster', '--teleport-cluster=example.test'], {
      env,
    });
    expect((await run(['logout'], { env })).out).toBe('Logged out all users from all proxies.\n');
    expect(readFileSync(path, 'utf8')).toBe(foreign);
    expect(readdirSync(join(home, '.tsh', 'credentials'))).toEqual([]);
  });

  test('logout of one proxy keeps the others', async () => {
    await run(['kube', 'login', 'mycluster']);
    expect((await run(['logout', '--proxy=other.test:3080'])).out).toBe('All users logged out.\n');
    expect(kubeconfig()['contexts']).toHaveLength(1);
    expect((await run(['logout', `--proxy=${plane.proxy}`])).out).toBe(`Logged out from "${plane.proxy}".\n`);
    expect(kubeconfig()['contexts']).toHaveLength(0);
  });
});
