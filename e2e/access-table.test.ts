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
import { replayRecorded } from './support/replay-recorded.ts';
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
        /^secrets "key" is forbidden: .*\n.*\n.*kubectl auth can-i get secrets\/key --namespace dev\n.*tctl why [0-9a-f-]{36}$/,
      ),
    });
  });
});

describe('the audit record', () => {
  test('lets every request be decided again as it was, by the policy of its moment', async () => {
    const { requests, decided, problems } = await replayRecorded(served.api);
    expect(problems).toEqual([]);
    expect(decided).toBeGreaterThan(100);
    expect(requests).toBeGreaterThanOrEqual(decided);
  });

  test('does so too for requests made while roles change all the time', async () => {
    const { resources, audit } = served.api;
    const person = people.of(watcher);
    const [role = ''] = people.roleNames(watcher);
    const written = await resources.get('role', role);
    let sent = 0;
    const changing = new AbortController();
    const asking = (async () => {
      for (; !changing.signal.aborted; sent += 1)
        await person.send('plain', { method: 'GET', path: '/api/v1/namespaces/dev/pods/web-1', headers: [] });
    })();
    for (let at = 0; at < 40; at += 1) {
      const { spec } = written;
      const rule = pods(at % 2 === 0 ? {} : { name: `seen-${at}` });
      const allow = { ...(spec['allow'] as object), kubernetes_resources: [rule] };
      await resources.put({ ...written, metadata: { name: role }, spec: { ...spec, allow } });
    }
    changing.abort();
    await asking;
    const recorded = () => audit.requests({ user: person.name, limit: '1000' });
    const isAbout = ({ name }: { readonly name: string }) => name === 'web-1';
    await until(
      'all of them are recorded',
      async () => (await recorded()).requests.filter(isAbout).length >= sent,
    );
    const decisions = new Set((await recorded()).requests.filter(isAbout).map(({ decision }) => decision));
    expect(decisions).toEqual(new Set(['allow', 'deny']));
    expect((await replayRecorded(served.api, person.name)).problems).toEqual([]);
  });

  test('tells an administrator why, with the id that the refused user was told', async () => {
    const { stderr } = await people.of(watcher).kubectl('plain', ['get', 'secrets', '-n', 'dev']);
    const [, id = ''] = /tctl why ([0-9a-f-]{36})/.exec(stderr) ?? [];
    const why = await stack.admin.must('tctl', ['why', id]);
    expect(why).toContain('DENIED: access.resource_not_allowed, HTTP 403');
    expect(why).toContain('No rule of any role allows it.');
    expect(why).toContain('found exactly as recorded');
    expect(why).toContain('agrees with what was recorded');
    expect(why).toContain('the same request would end the same');
    const listed = await stack.admin.must('tctl', ['audit', 'ls', '--decision=deny', '--since=10m']);
    expect(listed).toContain(id);
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
