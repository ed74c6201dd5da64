import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, type KubeNode, startKubeApiServer, startKubeNode } from '@postern/lab';
import {
  mustRun,
  runCommand,
  type SeparateStack,
  startSeparately,
  type Tools,
  until,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentUser, type ServedClusters, serveClusters } from './support/serve-clusters.ts';
import { arrangeWorkload, echoPort, streamGroup, workspace } from './support/streams/arrange-workload.ts';
import { apiServerRequests, auditedRequests } from './support/streams/audit.ts';
import { echoed } from './support/streams/echo.ts';
import { type RunningKubectl, signedInPerson, startKubectl, writeRole } from './support/streams/person.ts';

const cluster = 'lab';
const inWork = ['-n', workspace] as const;
const everything = { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] };
const configMapsOnly = { kind: 'configmaps', api_group: '', namespace: '*', name: '*', verbs: ['get'] };

let folder: string;
let starting: readonly [Promise<SeparateStack>, Promise<KubeApiServer>];
let stack: SeparateStack;
let target: KubeApiServer;
let node: KubeNode;
let served: ServedClusters;
let alice: Tools;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-streams-'));
  starting = [
    startSeparately(folder, 1),
    startKubeApiServer({
      dir: join(folder, 'target'),
      node: true,
      controllers: true,
      auditLog: true,
      durable: false,
    }),
  ];
  [stack, target] = await Promise.all(starting);
  node = await startKubeNode(target, { dir: join(folder, 'node') });
  await arrangeWorkload(target, node);
  served = await serveClusters({
    folder,
    stack,
    target,
    clusters: { [cluster]: {}, moving: { stage: 'live' } },
  });
  await stack.admin.must('tctl', [
    'create',
    await writeRole(folder, { name: 'streams', resources: [everything] }),
  ]);
  alice = await signedIn('alice', 'streams');
});

afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await node?.stop();
  // Also when one of the two did not start.
  for (const outcome of await Promise.allSettled(starting)) {
    if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
  }
  await rm(folder, { recursive: true, force: true });
});

describe('kubectl', () => {
  test('gets one object', async () => {
    expect(await kubectl('get', 'pod', 'box', ...inWork, '-o', 'jsonpath={.metadata.name}')).toBe('box');
  });

  test('lists as a table', async () => {
    expect(await kubectl('get', 'pods', ...inWork)).toMatch(
      /^NAME +READY +STATUS .*\nbox +1\/1 +Running .*\nonce /,
    );
  });

  test('lists as JSON', async () => {
    const list = JSON.parse(await kubectl('get', 'pods', ...inWork, '-o', 'json')) as {
      items: { metadata: { name: string } }[];
    };
    expect(list.items.map((item) => item.metadata.name)).toEqual(['box', 'once', 'once-more']);
  });

  test('lists as YAML', async () => {
    expect(await kubectl('get', 'pods', ...inWork, '-o', 'yaml')).toMatch(
      /^apiVersion: v1\nitems:\n[\s\S]* name: box\n/,
    );
  });

  test('lists names', async () => {
    expect(await kubectl('get', 'pods', ...inWork, '-o', 'name')).toBe('pod/box\npod/once\npod/once-more\n');
  });

  test('watches, and sees a new object at once', async () => {
    const args = ['get', 'configmaps', ...inWork, '-o', 'name', '--watch'];
    await onTarget('create', 'configmap', 'before', ...inWork);
    await using watch = await startKubectl(alice, folder, { args, begins: /configmap\/before/ });
    await onTarget('create', 'configmap', 'after', ...inWork);
    await until('the new object is shown', async () => (await watch.output()).includes('configmap/after'), {
      withinMs: 2000,
    });
  });

  test('creates, applies, patches and deletes', async () => {
    const manifest = (value: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'written', namespace: workspace },
        data: { value },
      });
    const value = () => kubectl('get', 'configmap', 'written', ...inWork, '-o', 'jsonpath={.data.value}');
    await must(alice.kubectl(['create', '-f', '-'], { input: manifest('created') }));
    expect(await value()).toBe('created');
    await must(alice.kubectl(['apply', '-f', '-'], { input: manifest('applied') }));
    expect(await value()).toBe('applied');
    await kubectl('patch', 'configmap', 'written', ...inWork, '-p', '{"data":{"value":"patched"}}');
    expect(await value()).toBe('patched');
    await must(
      alice.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
        input: manifest('applied by the server'),
      }),
    );
    expect(await value()).toBe('applied by the server');
    await kubectl('delete', 'configmap', 'written', ...inWork);
    const { code, stderr } = await alice.kubectl(['get', 'configmap', 'written', ...inWork]);
    expect(code).toBe(1);
    expect(stderr).toContain('configmaps "written" not found');
  });

  test('reads logs', async () => {
    expect(await kubectl('logs', 'box', ...inWork)).toMatch(/^tick 0\ntick 1\n/);
  });

  test('follows logs, line by line as they are written', async () => {
    await using logs = await startKubectl(alice, folder, {
      args: ['logs', '-f', 'box', ...inWork],
      begins: /^tick 0\n/,
    });
    await onTarget('exec', 'box', ...inWork, '--', 'sh', '-c', 'echo written just now > /proc/1/fd/1');
    await until('the line is shown', async () => (await logs.output()).includes('written just now\n'), {
      withinMs: 2000,
    });
    const ticks = async () => (await logs.output()).match(/^tick /gm)!.length;
    const soFar = await ticks();
    await until('more lines are shown', async () => (await ticks()) > soFar + 2, { withinMs: 5000 });
  });
});

/** kubectl of this release begins with WebSockets, which this API server does not speak as it does: they are translated. */
describe.each<[string, 'true' | 'false', string]>([
  ['WebSockets', 'true', 'once'],
  ['SPDY', 'false', 'once-more'],
])('kubectl over %s', (_, websockets, pod) => {
  let person: Tools;
  beforeAll(() => {
    const env = {
      KUBECTL_REMOTE_COMMAND_WEBSOCKETS: websockets,
      KUBECTL_PORT_FORWARD_WEBSOCKETS: websockets,
    };
    person = withEnv(alice, env);
  });

  describe('exec', () => {
    test('keeps standard output and standard error apart, and passes the exit code on', async () => {
      const script = 'echo to stdout; echo to stderr >&2; exit 7';
      const { code, stdout, stderr } = await person.kubectl([
        'exec',
        'box',
        ...inWork,
        '--',
        'sh',
        '-c',
        script,
      ]);
      expect(stdout).toBe('to stdout\n');
      expect(stderr).toMatch(/^to stderr\n/);
      expect(code).toBe(7);
    });

    test('passes standard input on to its end', async () => {
      const input = randomBytes(300_000).toString('hex');
      const { stdout } = await person.kubectl(['exec', '-i', 'box', ...inWork, '--', 'sha256sum'], { input });
      expect(stdout.split(' ')[0]).toBe(sha256(input));
    });

    test('brings large output whole', async () => {
      const { stdout } = await person.kubectl(['exec', 'box', ...inWork, '--', 'sh', '-c', 'seq 1 300000']);
      expect(sha256(stdout)).toBe(sha256(Array.from({ length: 300_000 }, (_, at) => `${at + 1}\n`).join('')));
    });

    test('gives a terminal of the size of the own', async () => {
      const wait = 'until [ "$(stty size)" = "33 77" ]; do sleep 0.1; done; tty; exit 3';
      const command = `stty rows 33 cols 77; kubectl exec -it box -n ${workspace} -- sh -c '${wait}'`;
      const { code, stdout } = await runCommand('script', ['-qec', command, '/dev/null'], {
        env: person.env,
        timeoutMs: 30_000,
      });
      expect(stdout).toContain('/dev/pts/');
      expect(code).toBe(3);
    });
  });

  describe('attach', () => {
    test('reaches the input and the output of the running process', async () => {
      const { stdout } = await person.kubectl(['attach', '-i', pod, ...inWork], {
        input: 'said to the process\n',
      });
      expect(stdout).toContain('said to the process\n');
      expect(await kubectl('logs', pod, ...inWork)).toBe('said to the process\n');
    });
  });

  describe('cp', () => {
    test('copies megabytes there and back unchanged', async () => {
      const bytes = randomBytes(6 * 1024 * 1024);
      await writeFile(join(folder, 'there'), bytes);
      await must(person.kubectl(['cp', 'there', `${workspace}/box:/tmp/copied`], { cwd: folder }));
      const there = await must(person.kubectl(['exec', 'box', ...inWork, '--', 'sha256sum', '/tmp/copied']));
      expect(there.split(' ')[0]).toBe(sha256(bytes));
      await must(person.kubectl(['cp', `${workspace}/box:/tmp/copied`, 'back'], { cwd: folder }));
      expect(sha256(await readFile(join(folder, 'back')))).toBe(sha256(bytes));
    });
  });

  describe('port-forward', () => {
    test('carries bytes both ways, over several connections', async () => {
      await using forward = await startKubectl(person, folder, forwarding);
      const port = await forwardedPort(forward);
      const sent = [randomBytes(1000), randomBytes(1_000_000), randomBytes(1000)];
      for (const bytes of sent) expect(sha256(await echoed(port, bytes))).toBe(sha256(bytes));
    });

    test('carries 200 MB on one connection, half of them each way', async () => {
      await using forward = await startKubectl(person, folder, forwarding);
      const part = randomBytes(1024 * 1024);
      const bytes = Buffer.concat(Array.from({ length: 100 }, () => part));
      expect((await echoed(await forwardedPort(forward), bytes)).equals(bytes)).toBe(true);
    });
  });
});

describe('a role that is nearly enough', () => {
  const pods = {
    kind: 'pods',
    api_group: '',
    namespace: workspace,
    name: '*',
    verbs: ['get', 'list', 'watch'],
  };
  const nearly = { ...pods, name: 'bo', verbs: ['exec', 'portforward'] };
  const elsewhere = { ...pods, namespace: `${workspace}-too`, verbs: ['*'] };
  let grace: Tools;

  beforeAll(async () => {
    await createRole({ name: 'nearly', resources: [pods, nearly, elsewhere] });
    grace = await signedIn('grace', 'nearly');
  });

  test.each([
    ['exec', ['exec', 'box', '--', 'true'], 'exec'],
    ['exec with input', ['exec', '-i', 'box', '--', 'cat'], 'exec'],
    ['attach', ['attach', 'box'], 'attach'],
    ['cp from the pod', ['cp', 'box:/etc/passwd', 'copied'], 'exec'],
    ['port-forward', ['port-forward', 'pod/box', `:${echoPort}`], 'portforward'],
  ])('does not allow %s', async (_, args, subresource) => {
    const { code, stderr } = await grace.kubectl([...inWork, ...args], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain(
      `pods "box" is forbidden: User "grace" cannot create resource "pods/${subresource}" in API group "" in the namespace "${workspace}"`,
    );
  });

  test.each([
    ['follow logs', ['logs', '-f', 'box'], /^tick 0\n/],
    ['watch', ['get', 'pods', '--watch', '-o', 'name'], /pod\/box/],
  ])('does allow to %s', async (_, args, begins) => {
    await using running = await startKubectl(grace, folder, { args: [...inWork, ...args], begins });
    expect(await running.output()).not.toContain('forbidden');
  });
});

describe('a change of access', () => {
  const watching = { args: ['get', 'pods', ...inWork, '--watch', '-o', 'name'], begins: /pod\/box/ };
  const following = { args: ['logs', '-f', 'box', ...inWork], begins: /^tick 0\n/ };
  const executing = {
    args: ['exec', 'box', ...inWork, '--', 'sh', '-c', 'while true; do echo alive; sleep 0.2; done'],
    begins: /alive\nalive\n/,
  };

  test('of a role cuts a watch, logs, exec and port-forward within two seconds', async () => {
    await createRole({ name: 'shrinking', resources: [everything] });
    const bob = await signedIn('bob', 'shrinking');
    await using watch = await startKubectl(bob, folder, watching);
    await using logs = await startKubectl(bob, folder, following);
    await using exec = await startKubectl(bob, folder, executing);
    await using forward = await startKubectl(bob, folder, forwarding);
    const bytes = randomBytes(1000);
    expect(await echoed(await forwardedPort(forward), bytes)).toEqual(bytes);
    const narrow = () => createRole({ name: 'shrinking', resources: [configMapsOnly] });
    await expectCut({ watch, logs, exec, forward }, narrow);
    const again = await bob.kubectl(['get', 'pods', ...inWork]);
    expect(again.stderr).toContain('pods is forbidden: User "bob" cannot list resource "pods"');
  });

  test('that removes a user cuts what the user has open within two seconds', async () => {
    const carol = await signedIn('carol', 'streams');
    await using watch = await startKubectl(carol, folder, watching);
    await using exec = await startKubectl(carol, folder, executing);
    await expectCut({ watch, exec }, () => stack.admin.must('tctl', ['users', 'rm', 'carol']));
  });

  test('that locks a user cuts what the user has open within two seconds', async () => {
    const erin = await signedIn('erin', 'streams');
    await using watch = await startKubectl(erin, folder, watching);
    await using exec = await startKubectl(erin, folder, executing);
    const user = await served.api.resources.get('user', 'erin');
    const locked = { ...user, spec: { ...user.spec, status: { is_locked: true } } };
    await expectCut({ watch, exec }, () => served.api.resources.put(locked));
  });

  test('of the labels of a cluster cuts what no role selects any more within two seconds', async () => {
    await createRole({ name: 'live-only', resources: [everything], labels: { stage: 'live' } });
    const frank = await signedIn('frank', 'live-only', 'moving');
    await using watch = await startKubectl(frank, folder, watching);
    await using exec = await startKubectl(frank, folder, executing);
    const cluster = await served.api.resources.get('kube_cluster', 'moving');
    const moved = { ...cluster, metadata: { ...cluster.metadata, labels: { stage: 'old' } } };
    await expectCut({ watch, exec }, () => served.api.resources.put(moved));
  });

  test('of a role leaves what it still allows running', async () => {
    await using logs = await startKubectl(alice, folder, following);
    await createRole({ name: 'streams', resources: [everything, configMapsOnly] });
    const soFar = (await logs.output()).length;
    const more = async () => (await logs.output()).length > soFar + 100;
    await until('the log goes on', more, { withinMs: 10_000 });
  });
});

describe('the audit record', () => {
  const groups = [streamGroup, 'system:authenticated'];

  test.each([
    ['get', 'pods'],
    ['list', 'pods'],
    ['watch', 'configmaps'],
    ['create', 'configmaps'],
    ['patch', 'configmaps'],
    ['delete', 'configmaps'],
    ['get', 'pods/log'],
    ['get', 'pods/exec'],
    ['create', 'pods/exec'],
    ['get', 'pods/attach'],
    ['create', 'pods/attach'],
    ['get', 'pods/portforward'],
    ['create', 'pods/portforward'],
  ])('has %s of %s, with who asked and as whom it ran', async (verb, full) => {
    const [resource, subresource = ''] = full.split('/');
    const found = await until('the request is recorded', async () =>
      (await auditedRequests(stack.postgres, 'alice')).find(
        (each) =>
          each.verb === verb &&
          each.resource === resource &&
          each.subresource === subresource &&
          each.status < 400,
      ),
    );
    expect(found).toMatchObject({ user: 'alice', cluster, namespace: workspace });
    expect(found).toMatchObject({ decision: 'allow', reason: '', kubeUser: 'alice', kubeGroups: groups });
  });

  test('has what was refused, with the reason', async () => {
    const refused = await until('the refusal is recorded', async () =>
      (await auditedRequests(stack.postgres, 'bob')).find((each) => each.decision === 'deny'),
    );
    expect(refused).toMatchObject({ verb: 'list', resource: 'pods', namespace: workspace, status: 403 });
    expect(refused).toMatchObject({ reason: 'access.resource_not_allowed', kubeUser: '', kubeGroups: [] });
  });

  test('of the API server itself shows the impersonated user and groups, and nothing else', async () => {
    const requests = await apiServerRequests(target, agentUser);
    const forPeople = requests.filter((request) => request.objectRef?.namespace === workspace);
    expect(forPeople.length).toBeGreaterThan(20);
    const asWhom = new Set(forPeople.map((request) => JSON.stringify(request.impersonatedUser)));
    const expected = ['alice', 'bob', 'carol', 'erin', 'frank', 'grace'].map((username) =>
      JSON.stringify({ username, groups }),
    );
    expect([...asWhom].toSorted()).toEqual(expected);
  });

  test('of the API server itself has nothing about objects that the agent asked in its own name', async () => {
    const requests = await apiServerRequests(target, agentUser);
    const own = requests.filter(
      (request) => request.impersonatedUser === undefined && request.objectRef !== undefined,
    );
    const resources = own.map((request) => request.objectRef!.resource);
    expect(resources.filter((resource) => resource !== 'selfsubjectaccessreviews')).toEqual([]);
  });
});

function withEnv(person: Tools, env: Readonly<Record<string, string>>): Tools {
  return {
    ...person,
    env: { ...person.env, ...env },
    kubectl: (args, options) => person.kubectl(args, { ...options, env }),
  };
}

const forwarding = {
  args: ['port-forward', 'pod/box', ...inWork, `:${echoPort}`],
  begins: /Forwarding from 127\.0\.0\.1:\d+/,
};

async function forwardedPort({ output }: { output(): Promise<string> }): Promise<number> {
  return Number(/127\.0\.0\.1:(\d+)/.exec(await output())![1]);
}

async function kubectl(...args: readonly string[]): Promise<string> {
  return must(alice.kubectl(args));
}

async function must(finished: ReturnType<Tools['kubectl']>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  if (code !== 0) throw new Error(`kubectl ended with ${code}: ${stderr}`);
  return stdout;
}

function onTarget(...args: readonly string[]): Promise<string> {
  return mustRun('kubectl', ['--kubeconfig', target.kubeconfig, ...args]);
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

async function createRole(role: Parameters<typeof writeRole>[1]): Promise<void> {
  await stack.admin.must('tctl', ['create', '-f', await writeRole(folder, role)]);
}

function signedIn(name: string, roles: string, to = cluster): Promise<Tools> {
  return signedInPerson(stack, { name, roles, folder, cluster: to });
}

/** Everything runs until the change, and ends within two seconds after the change was acknowledged. */
async function expectCut(
  running: Readonly<Record<string, RunningKubectl>>,
  change: () => Promise<unknown>,
): Promise<void> {
  const before = performance.now();
  await change();
  const acknowledged = performance.now();
  for (const [name, { endedAt }] of Object.entries(running)) {
    const ended = await orNever(endedAt);
    expect(ended, `${name} ran until the change`).toBeGreaterThan(before);
    expect(ended - acknowledged, `${name} went on, in milliseconds`).toBeLessThan(2000);
  }
}

/** The time something ended; never, when that takes longer than any bound here. */
function orNever(ended: Promise<number>): Promise<number> {
  const never = new Promise<number>((resolve) => setTimeout(() => resolve(Infinity), 10_000).unref());
  return Promise.race([ended, never]);
}
