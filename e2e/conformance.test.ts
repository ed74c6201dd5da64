import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type KubeApiServer,
  type KubeNode,
  startKubeApiServer,
  startKubeNode,
  writeKubeconfig,
} from '@postern/lab';
import { mustRun, type SeparateStack, startSeparately, type Tools, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { watchConfigMaps } from './support/conformance/informer.ts';
import { normalise } from './support/conformance/normalise.ts';
import { inNamespace, type Operation, readings, writings } from './support/conformance/operations.ts';
import { type ServedClusters, serveClusters } from './support/serve-clusters.ts';
import { arrangeWorkload, echoPort, streamGroup, workspace } from './support/streams/arrange-workload.ts';
import { echoed } from './support/streams/echo.ts';
import { signedInPerson, startKubectl, writeRole } from './support/streams/person.ts';

/** `POSTERN_CONFORMANCE=whole`: files of 100 MB, a port-forward of 200 MB, logs for ten minutes. Otherwise the short form. */
const isWhole = process.env['POSTERN_CONFORMANCE'] === 'whole';
const megabyte = 1024 * 1024;
const copyBytes = (isWhole ? 100 : 4) * megabyte;
const forwardBytes = (isWhole ? 200 : 8) * megabyte;
const logSeconds = isWhole ? 600 : 5;
const longMs = 15 * 60_000;

let folder: string;
let stack: SeparateStack;
let target: KubeApiServer;
let node: KubeNode;
let served: ServedClusters;
let alice: Tools;
let directly: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-conformance-'));
  [stack, target] = await Promise.all([
    startSeparately(folder, 1),
    startKubeApiServer({ dir: join(folder, 'target'), node: true, controllers: true, durable: false }),
  ]);
  node = await startKubeNode(target, { dir: join(folder, 'node') });
  await arrangeWorkload(target, node);
  served = await serveClusters({ folder, stack, target, clusters: { lab: {} } });
  const everything = { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] };
  await stack.admin.must('tctl', [
    'create',
    await writeRole(folder, { name: 'all', resources: [everything] }),
  ]);
  alice = await signedInPerson(stack, { name: 'alice', roles: 'all', folder, cluster: 'lab' });
  const client = await target.pki.issue('alice', { commonName: 'alice', organization: streamGroup });
  directly = join(folder, 'directly.kubeconfig');
  writeKubeconfig(directly, { server: target.url, caFile: target.caFile, client });
});

afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await node?.stop();
  await target?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** What kubectl says, directly and through edge, tunnel and agent. */
async function onBothSides(operation: Operation): Promise<{ direct: object; through: object }> {
  const direct = await run(inNamespace(operation, 'direct'), ['--kubeconfig', directly], 'direct');
  const through = await run(inNamespace(operation, 'passed'), [], 'passed');
  return { direct, through };
}

async function run({ args, input }: Operation, more: readonly string[], namespace: string): Promise<object> {
  const options = { cwd: folder, timeoutMs: 120_000, ...(input === undefined ? {} : { input }) };
  const { code, stdout, stderr } = await alice.kubectl([...more, ...args], options);
  return {
    code,
    stdout: normalise(withoutAddress(stdout), namespace),
    stderr: normalise(withoutAddress(stderr), namespace),
  };
}

/** Text without where the server is, which kubectl says now and then. */
function withoutAddress(text: string): string {
  return text.replaceAll(/https:\/\/127\.0\.0\.1:\d+(?:\/v1\/teleport\/[\w-]+\/[\w-]+)?/g, '<server>');
}

const nameOf = ({ args, input }: Operation, index: number) =>
  [`${index + 1}. kubectl ${args.join(' ')}${input === undefined ? '' : ' <'}`, index] as const;

describe('kubectl says the same as directly when it reads', () => {
  test.each(readings.map(nameOf))('%s', async (_, index) => {
    const { direct, through } = await onBothSides(readings[index]!);
    expect(through).toEqual(direct);
  });
});

describe('kubectl says the same as directly when it writes', () => {
  // The image is known only once the node runs, the list is needed before.
  const image = 'IMAGE';
  const operations = writings(image);
  test.each(operations.map(nameOf))('%s', async (_, index) => {
    const { args, input } = operations[index]!;
    const withImage = (text: string) => text.replaceAll(image, node.image);
    const operation = {
      args: args.map(withImage),
      ...(input === undefined ? {} : { input: withImage(input) }),
    };
    const { direct, through } = await onBothSides(operation);
    expect(through).toEqual(direct);
  });
});

describe('kubectl carries bytes unchanged', () => {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

  test(
    `cp of ${copyBytes / megabyte} MB there and back`,
    async () => {
      const bytes = randomBytes(copyBytes);
      await writeFile(join(folder, 'there'), bytes);
      const options = { cwd: folder, timeoutMs: longMs };
      const copy = async (from: string, to: string) =>
        expect((await alice.kubectl(['cp', from, to], options)).code).toBe(0);
      await copy('there', `${workspace}/box:/tmp/copied`);
      await copy(`${workspace}/box:/tmp/copied`, 'back');
      expect(sha256(await readFile(join(folder, 'back')))).toBe(sha256(bytes));
    },
    longMs,
  );

  test(
    `port-forward of ${forwardBytes / megabyte} MB there and back`,
    async () => {
      const args = ['port-forward', 'pod/box', `:${echoPort}`, '-n', workspace];
      await using forward = await startKubectl(alice, folder, {
        args,
        begins: /Forwarding from 127\.0\.0\.1:\d+/,
      });
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(await forward.output())![1]);
      const bytes = randomBytes(forwardBytes);
      expect(sha256(await echoed(port, bytes))).toBe(sha256(bytes));
    },
    longMs,
  );

  test(
    `logs -f for ${logSeconds} s miss no line`,
    async () => {
      const args = ['logs', '-f', 'box', '-n', workspace];
      await using logs = await startKubectl(alice, folder, { args, begins: /^tick 0\n/ });
      const last = async () => Number(/tick (\d+)\n[^\n]*$/.exec(await logs.output())![1]);
      const begun = await last();
      // The pod counts five times a second.
      await until('the log has gone on', async () => (await last()) > begun + logSeconds * 4, {
        withinMs: logSeconds * 2000 + 10_000,
      });
      const ticks = (await logs.output()).match(/^tick \d+$/gm)!;
      expect(ticks).toEqual(ticks.map((_, index) => `tick ${index}`));
    },
    longMs,
  );
});

test('kubectl debug copies a pod and starts it', async () => {
  const args = [
    'debug',
    'box',
    '-n',
    workspace,
    '--copy-to=box-copy',
    '--image',
    node.image,
    '--container=looking',
  ];
  const copied = await alice.kubectl([
    ...args,
    '--image-pull-policy=Never',
    '--attach=false',
    '--',
    'sleep',
    '60',
  ]);
  expect(copied).toMatchObject({ code: 0 });
  const names = await alice.kubectl([
    'get',
    'pod',
    'box-copy',
    '-n',
    workspace,
    '-o',
    'jsonpath={.spec.containers[*].name}',
  ]);
  expect(names.stdout).toBe('main looking');
});

test('an informer of @kubernetes/client-node sees the same as directly', async () => {
  const through = alice.env['KUBECONFIG']!;
  await mustRun('kubectl', [
    '--kubeconfig',
    target.kubeconfig,
    'create',
    'configmap',
    'seen-1',
    '-n',
    workspace,
  ]);
  const [a, b] = await Promise.all([
    watchConfigMaps({ kubeconfig: directly, namespace: workspace, env: alice.env }),
    watchConfigMaps({ kubeconfig: through, namespace: workspace, env: alice.env }),
  ]);
  try {
    for (const step of [
      ['create', 'configmap', 'seen-2'],
      ['label', 'configmap', 'seen-1', 'a=b'],
      ['delete', 'configmap', 'seen-2'],
    ])
      await mustRun('kubectl', ['--kubeconfig', target.kubeconfig, ...step, '-n', workspace]);
    await until('both have seen all', async () => [a, b].every(({ seen }) => seen.includes('delete seen-2')));
    expect(b.seen).toEqual(a.seen);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
});
