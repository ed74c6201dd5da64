import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addDebugContainer } from './support/conformance/debug-container.ts';
import { watchConfigMaps } from './support/conformance/informer.ts';
import {
  inNamespace,
  type Operation,
  readings,
  replaced,
  writings,
} from './support/conformance/operations.ts';
import { arrangeSides, type Sides } from './support/conformance/sides.ts';
import { echoPort, streamGroup, workspace } from './support/streams/arrange-workload.ts';
import { echoed } from './support/streams/echo.ts';
import { signedInPerson, startKubectl, writeRole } from './support/streams/person.ts';

/** `POSTERN_CONFORMANCE=whole`: files of 100 MB, a port-forward of 200 MB, logs for ten minutes. Otherwise the short form. */
const isWhole = process.env['POSTERN_CONFORMANCE'] === 'whole';
const megabyte = 1024 * 1024;
const copyBytes = (isWhole ? 100 : 4) * megabyte;
const forwardBytes = (isWhole ? 200 : 8) * megabyte;
const logSeconds = isWhole ? 600 : 5;
const longMs = 15 * 60_000;

let sides: Sides;

beforeAll(async () => {
  sides = await arrangeSides();
});

afterAll(async () => {
  await sides?.[Symbol.asyncDispose]();
});

/** What kubectl says, directly and through edge, tunnel and agent. */
async function onBothSides(operation: Operation): Promise<{ direct: object; through: object }> {
  const direct = await sides.run(inNamespace(operation, 'direct'), 'direct');
  const through = await sides.run(inNamespace(operation, 'passed'), 'passed');
  return { direct, through };
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
    const operation = replaced(operations[index]!, (text) => text.replaceAll(image, sides.node.image));
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
      await writeFile(join(sides.folder, 'there'), bytes);
      const options = { cwd: sides.folder, timeoutMs: longMs };
      const copy = async (from: string, to: string) =>
        expect((await sides.alice.kubectl(['cp', from, to], options)).code).toBe(0);
      await copy('there', `${workspace}/box:/tmp/copied`);
      await copy(`${workspace}/box:/tmp/copied`, 'back');
      expect(sha256(await readFile(join(sides.folder, 'back')))).toBe(sha256(bytes));
    },
    longMs,
  );

  test(
    `port-forward of ${forwardBytes / megabyte} MB there and back`,
    async () => {
      const args = ['port-forward', 'pod/box', `:${echoPort}`, '-n', workspace];
      await using forward = await startKubectl(sides.alice, sides.folder, {
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
      await using logs = await startKubectl(sides.alice, sides.folder, { args, begins: /^tick 0\n/ });
      const last = async () => Number(/tick (\d+)\n[^\n]*$/.exec(await logs.output())![1]);
      const begun = await last();
      // The pod counts five times a second.
      await until('the log has gone on', async () => (await last()) > begun + logSeconds * 5, {
        withinMs: logSeconds * 2000 + 10_000,
      });
      const ticks = (await logs.output()).split('\n').slice(0, -1);
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
    sides.node.image,
    '--container=looking',
  ];
  const copied = await sides.alice.kubectl([
    ...args,
    '--image-pull-policy=Never',
    '--attach=false',
    '--',
    'sleep',
    '60',
  ]);
  expect(copied).toMatchObject({ code: 0 });
  const names = await sides.alice.kubectl([
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

test('a container for debugging is added to a pod that runs, attached to and read', async () => {
  for (const side of ['direct', 'passed'] as const) await addDebugContainer(sides, side);
  const attach = ['attach', 'box', '-n', workspace, '-c', 'NS', '-i'];
  const attached = await onBothSides({ args: attach, input: 'a line\n' });
  expect(attached.through).toEqual(attached.direct);
  expect(attached.through).toMatchObject({ code: 0, stdout: 'got a line' });
  const read = await onBothSides({ args: ['logs', 'box', '-n', workspace, '-c', 'NS'] });
  expect(read.through).toEqual(read.direct);
});

describe('an API that another server answers behind the API server', () => {
  const group = 'metrics.k8s.io';
  const verbs = ['get', 'list'];
  const askedBy = (user: string, begin: number) =>
    sides.metrics.seen
      .slice(begin)
      .filter((request) => request.user === user && request.path.includes(`/${group}/`));

  test('hears who asks, and is asked the same as directly', async () => {
    const top = { args: ['top', 'nodes'] };
    const begin = sides.metrics.seen.length;
    await sides.run(top, 'direct');
    const direct = askedBy('alice', begin);
    expect(await sides.run(top, 'passed')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${sides.node.name} <usage> <usage> <usage> <usage>`) as string,
    });
    expect(askedBy('alice', begin).slice(direct.length)).toEqual(direct);
    expect(direct).toContainEqual({
      user: 'alice',
      groups: [streamGroup, 'system:authenticated'],
      method: 'GET',
      path: expect.stringMatching(/\/v1beta1\/nodes(?:\?|$)/) as string,
    });
  });

  test('is under rules of its own group, by name', async () => {
    const { folder, stack } = sides;
    const inWork = ['-n', workspace];
    const [figures, pods] = [
      {
        name: 'figures',
        resources: [{ kind: 'pods', api_group: group, namespace: workspace, name: 'box', verbs }],
      },
      { name: 'pods', resources: [{ kind: 'pods', api_group: '', namespace: workspace, name: '*', verbs }] },
    ];
    for (const role of [figures, pods])
      await stack.admin.must('tctl', ['create', await writeRole(folder, role)]);
    const bob = await signedInPerson(stack, {
      name: 'bob',
      roles: 'figures',
      folder,
      cluster: 'lab',
      may: ['top', 'pod', 'box', ...inWork],
    });
    const carol = await signedInPerson(stack, { name: 'carol', roles: 'pods', folder, cluster: 'lab' });
    const namesOf = (text: string) =>
      text
        .split('\n')
        .slice(1, -1)
        .map((line) => line.split(' ')[0]);

    expect(namesOf((await bob.kubectl(['top', 'pods', ...inWork])).stdout)).toEqual(['box']);
    expect(await bob.kubectl(['top', 'pod', 'box', ...inWork])).toMatchObject({ code: 0 });
    for (const args of [
      ['top', 'pod', 'once', ...inWork],
      ['top', 'nodes'],
      ['get', 'pods', ...inWork],
    ]) {
      const begin = sides.metrics.seen.length;
      expect(await bob.kubectl(args)).toMatchObject({ code: 1, stderr: /Forbidden/ });
      expect(askedBy('bob', begin).filter(({ path }) => /\/(?:nodes|pods)/.test(path))).toEqual([]);
    }
    expect(await carol.kubectl(['get', 'pods', ...inWork])).toMatchObject({ code: 0 });
    expect(await carol.kubectl(['top', 'pods', ...inWork])).toMatchObject({ code: 1, stderr: /Forbidden/ });
    expect(askedBy('carol', 0).filter(({ path }) => /\/(?:nodes|pods)/.test(path))).toEqual([]);
  });
});

test('an informer of @kubernetes/client-node sees the same as directly', async () => {
  const through = sides.alice.env['KUBECONFIG']!;
  await mustRun('kubectl', [
    '--kubeconfig',
    sides.target.kubeconfig,
    'create',
    'configmap',
    'seen-1',
    '-n',
    workspace,
  ]);
  const [a, b] = await Promise.all([
    watchConfigMaps({ kubeconfig: sides.directly, namespace: workspace, env: sides.alice.env }),
    watchConfigMaps({ kubeconfig: through, namespace: workspace, env: sides.alice.env }),
  ]);
  try {
    for (const step of [
      ['create', 'configmap', 'seen-2'],
      ['label', 'configmap', 'seen-1', 'a=b'],
      ['delete', 'configmap', 'seen-2'],
    ])
      await mustRun('kubectl', ['--kubeconfig', sides.target.kubeconfig, ...step, '-n', workspace]);
    await until('both have seen all', async () => [a, b].every(({ seen }) => seen.includes('delete seen-2')));
    expect(b.seen).toEqual(a.seen);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
});
