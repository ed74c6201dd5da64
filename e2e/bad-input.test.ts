import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@postern/lab';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { npmStart, type Started } from './support/npm-start.ts';

const kubeconfigWithExec = `apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: CA_DATA}}]
users: [{name: a, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, args: ["-c", "id"], interactiveMode: Never}}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
`;

const cluster = (kubeconfig: string) =>
  `kind: kube_cluster\nversion: v3\nmetadata:\n  name: bad\nspec:\n  kubeconfig: ${kubeconfig}\n`;

const cases: readonly (readonly [name: string, document: string, says: RegExp, exit: number])[] = [
  ['malformed YAML', 'kind: role\n  metadata: [', /invalid YAML at line \d+, column \d+/, 2],
  ['an alias bomb', 'a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n', /alias|anchor/, 2],
  [
    'an unknown kind',
    'kind: spaceship\nversion: v1\nmetadata: {name: x}\nspec: {}\n',
    /"spaceship" is not supported/,
    2,
  ],
  ['an unknown field', 'kind: role\nversion: v7\nmetadata: {name: bad}\nspec: {alow: {}}\n', /alow/, 2],
  [
    'a 10 MB document',
    `kind: role\nversion: v7\nmetadata:\n  name: bad\n  description: ${'x'.repeat(10_000_000)}\n`,
    /too large|larger|limit/,
    2,
  ],
  ['wrong base64', cluster('"%%%"'), /base64/, 2],
  ['a kubeconfig with an exec plugin', cluster('EXEC_KUBECONFIG'), /exec/, 2],
  ['empty input', '', /no resources found, empty input\?/, 2],
];

describe('bad input', () => {
  let folder: string;
  let running: Started;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-bad-'));
    running = await npmStart({
      folder,
      dataDir: join(folder, 'data'),
      port: await freePort(),
      args: ['--no-demo'],
    });
  });

  afterAll(async () => {
    await running?.process.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test.each(cases)('%s gets one clear line and stores nothing', async (_, document, says, exit) => {
    const file = join(folder, 'bad.yaml');
    await writeFile(file, document.replace('EXEC_KUBECONFIG', await execKubeconfig(running)));
    const { code, stdout, stderr } = await running.admin.run('tctl', ['create', '-f', file]);
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^ERROR: /);
    expect(stdout).toBe('');
    expect(code).toBe(exit);
    expect((await running.admin.run('tctl', ['get', 'role/bad'])).code).toBe(5);
    expect((await running.admin.run('tctl', ['get', 'kube_cluster/bad'])).code).toBe(5);
  });

  test('a duplicate name without -f is refused', async () => {
    const file = join(folder, 'role.yaml');
    await writeFile(
      file,
      'kind: role\nversion: v7\nmetadata: {name: twice}\nspec: {allow: {kubernetes_groups: [a]}}\n',
    );
    await running.admin.must('tctl', ['create', file]);
    const again = await running.admin.run('tctl', ['create', file]);
    expect(again.code).toBe(6);
    expect(again.stderr).toMatch(/^ERROR: .*already exists/);
  });

  test('expired and unknown tokens are refused alike', async () => {
    const started = async (token: string) => {
      const file = join(folder, `agent-${token.slice(0, 6)}.yaml`);
      const pin = /sha256:[0-9a-f]{64}/.exec(await running.admin.must('tctl', ['status']))![0];
      await writeFile(
        file,
        `version: v3\nteleport:\n  proxy_server: ${running.proxyAddr}\n  ca_pin: ${pin}\n  data_dir: ${join(folder, token.slice(0, 6))}\n` +
          `  join_params: {token_name: ${token}, method: token}\nauth_service: {enabled: no}\nproxy_service: {enabled: no}\nssh_service: {enabled: no}\n` +
          `kubernetes_service: {enabled: yes, resources: [{labels: {"*": "*"}}]}\n`,
      );
      return await running.admin.run('postern', ['start', '-c', file], { timeoutMs: 30_000 });
    };
    const tokens = async () =>
      (JSON.parse(await running.admin.must('tctl', ['tokens', 'ls', '--format=json'])) as unknown[]).length;
    const others = await tokens();
    const expired = (
      await running.admin.must('tctl', ['tokens', 'add', '--type=kube', '--ttl=1s', '--format=text'])
    ).trim();
    await until('the token has expired', async () => (await tokens()) === others);
    const refusals = await Promise.all([started(expired), started('unknown-token-value')]);
    expect(refusals.map((refusal) => refusal.code)).toEqual([4, 4]);
    const [first, second] = refusals.map((refusal) => /ERROR: .*/.exec(refusal.stderr)?.[0]);
    expect(first).toMatch(/the join was refused/);
    expect(second).toBe(first);
  });

  test('missing rights are named', async () => {
    await running.admin.must('tctl', ['users', 'add', 'eve', '--roles=access']);
    const identity = join(folder, 'eve');
    await running.admin.must('tctl', ['auth', 'sign', '--user=eve', '--format=file', `--out=${identity}`]);
    const file = join(folder, 'role.yaml');
    const { code, stderr } = await running.admin.run('tctl', ['-i', identity, 'create', '-f', file]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^ERROR: .*role/);
  });
});

/** In good order but for the plugin that it wants to run. */
async function execKubeconfig({ dataDir }: Started): Promise<string> {
  const ca = await readFile(join(dataDir, 'ca.pem'));
  return Buffer.from(kubeconfigWithExec.replace('CA_DATA', ca.toString('base64'))).toString('base64');
}
