import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { mustRun, type SeparateStack, startProcess, startSeparately, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { arrangeTarget } from './support/access-table/arrange-target.ts';
import { denialRows } from './support/access-table/denial-rows.ts';
import { impersonationRows } from './support/access-table/impersonation-rows.ts';
import { clusters, labelRows } from './support/access-table/label-rows.ts';
import { type People, signInPeople } from './support/access-table/people.ts';
import { questions } from './support/access-table/questions.ts';
import { listRows } from './support/access-table/list-rows.ts';
import { requestRows } from './support/access-table/request-rows.ts';
import {
  type Expected,
  type Outcome,
  outcomeOf,
  outcomeOfRaw,
  pods,
  type Row,
  v8,
} from './support/access-table/row.ts';
import { ruleRows } from './support/access-table/rule-rows.ts';
import { streamRows } from './support/access-table/stream-rows.ts';
import { versionRows } from './support/access-table/version-rows.ts';
import { type ServedClusters, serveClusters } from './support/serve-clusters.ts';

const tables = {
  'a label selector': labelRows,
  'a role version': versionRows,
  'a resource rule': ruleRows,
  'a denial or a namespace': denialRows,
  impersonation: impersonationRows,
  'a request': requestRows,
  'a stream': streamRows,
  'a list': listRows,
};

type Asked = Pick<Row, 'roles' | 'traits' | 'cluster' | 'ask' | 'input'>;

const watcher = { roles: [v8(pods({ name: 'seen-*', verbs: ['list', 'watch'] }))] };

const configMaps = { kind: 'configmaps', name: 'doomed-*', verbs: ['list', 'delete', 'deletecollection'] };
const collector = { roles: [v8(pods(configMaps))] };

let folder: string;
let starting: readonly [Promise<SeparateStack>, Promise<KubeApiServer>];
let stack: SeparateStack;
let target: KubeApiServer;
let served: ServedClusters;
let people: People;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-access-'));
  starting = [
    startSeparately(folder, 1),
    startKubeApiServer({ dir: join(folder, 'target'), durable: false }),
  ];
  [stack, target] = await Promise.all(starting);
  await arrangeTarget(target);
  served = await serveClusters({ folder, stack, target, clusters });
  const { api, caPem } = served;
  const holders = [...Object.values(tables).flat(), ...questions, watcher, collector];
  people = await signInPeople({ api, caPem, folder, clusters: Object.keys(clusters) }, holders);
});

afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  // Also when one of the two did not start.
  for (const outcome of await Promise.allSettled(starting)) {
    if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
  }
  await rm(folder, { recursive: true, force: true });
});

describe.each(Object.entries(tables))('%s', (_, rows) => {
  test.concurrent.each(rows.map((row) => [row.what, row] as const))('%s', async (_, row) => {
    check(row, await ask(row));
  });
});

describe('kubectl auth can-i', () => {
  test.concurrent.each(questions.map((question) => [question.what, question] as const))(
    'answers truly about %s',
    async (_, question) => {
      const { asks, command, answer, ...holder } = question;
      const answered = await ask({ ...holder, ask: `auth can-i ${asks}` });
      const done = await ask({ ...holder, ask: command });
      expect(answered.stdout.trim().split(' ')[0], answered.reasons.join('\n')).toBe(answer);
      expect(answered.isAllowed).toBe(answer === 'yes');
      expect(done.isAllowed, done.reasons.join('\n')).toBe(answer === 'yes');
    },
  );
});

describe('a watch', () => {
  test('shows what may be seen as it comes, and nothing else', async () => {
    const { kubeconfig } = people.of(watcher);
    const watch = startProcess({
      name: 'watch',
      command: 'kubectl',
      args: [
        '--kubeconfig',
        kubeconfig,
        '--context',
        'plain',
        'get',
        'pods',
        '-n',
        'dev',
        '-w',
        '-o',
        'name',
      ],
      env: { PATH: process.env['PATH'] ?? '', HOME: folder },
      cwd: folder,
      logDir: folder,
    });
    try {
      const seen = () => readFile(watch.logFile, 'utf8');
      let count = 0;
      await until('the watch has begun', async () => {
        await createPod(`seen-${(count += 1)}`);
        return (await seen()).includes('seen-');
      });
      await createPod('hidden-1');
      await createPod('seen-last');
      await until('the last pod is shown', async () => (await seen()).includes('seen-last'));
      const lines = (await seen()).trim().split('\n');
      expect(lines.filter((line) => !line.startsWith('pod/seen-'))).toEqual([]);
    } finally {
      await watch.stop('SIGKILL');
    }
  });
});

describe('deletecollection', () => {
  test('never deletes what the user may not delete', async () => {
    const raw = { method: 'DELETE', path: '/api/v1/namespaces/dev/configmaps', headers: [] };
    await people.of(collector).send('plain', raw);
    expect(await onTarget('get', 'configmaps', '-n', 'dev', '-o', 'name')).toContain('configmap/settings\n');
  });
});

describe('a refusal', () => {
  test('is a Status of the Kubernetes API', async () => {
    const raw = { method: 'GET', path: '/api/v1/namespaces/dev/secrets/key', headers: [] };
    const { status, contentType, body } = await people.of(watcher).send('plain', raw);
    expect(status).toBe(403);
    expect(contentType).toBe('application/json');
    expect(JSON.parse(body)).toMatchObject({
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'Forbidden',
      code: 403,
      message: expect.stringMatching(
        /^secrets "key" is forbidden: .*\n.*\n.*kubectl auth can-i get secrets\/key --namespace dev$/,
      ),
    });
  });
});

async function ask({ ask, input, cluster = 'plain', ...holder }: Asked): Promise<Outcome> {
  const person = people.of(holder);
  const named = (text: string) => text.replace('USER', person.name);
  if (typeof ask !== 'string') {
    return outcomeOfRaw(await person.send(cluster, { ...ask, headers: ask.headers.map(named) }));
  }
  const options = { cwd: folder, ...(input === undefined ? {} : { input }) };
  return outcomeOf(await person.kubectl(cluster, ask.split(' ').map(named), options));
}

function check(row: Row, outcome: Outcome): void {
  const { lines, stdout, refused }: Expected = row.expected;
  if (refused !== undefined) {
    const line = refused.replace('USER', people.of(row).name).replace('ROLE', people.roleNames(row)[0]!);
    expect(outcome.isAllowed, outcome.stdout).toBe(false);
    expect(outcome.reasons).toContain(line);
    return;
  }
  expect(outcome.isAllowed, outcome.reasons.join('\n')).toBe(true);
  if (lines) expect(outcome.lines).toEqual(lines);
  if (stdout) expect(outcome.stdout).toMatch(stdout);
}

function createPod(name: string): Promise<string> {
  return onTarget('run', name, '-n', 'dev', '--image=none');
}

function onTarget(...args: readonly string[]): Promise<string> {
  return mustRun('kubectl', ['--kubeconfig', target.kubeconfig, ...args]);
}
