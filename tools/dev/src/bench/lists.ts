import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateIdentity, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import { freePort, openPki, writeKubeconfig } from '@postern/lab';
import { type SeparateStack, startSeparately, until } from '@postern/testkit';
import { cpuSeconds } from './cpu.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { megabytes, residentBytes } from './memory.ts';
import type { Measured } from './table.ts';

const here = import.meta.dirname;
const objects = 5000;
const ruleCounts = [10, 1000, 10_000];
/** A role of more would be a larger document than may be written at once. */
const rulesPerRole = 2500;
const rounds = 7;
const listsPerRound = 6;
const limit = 1.2;

interface Asker {
  readonly title: string;
  readonly plan: Omit<LoadPlan, 'requests'>;
}

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

/** What it costs to filter a list of 5,000 pods, all of which may be seen, beside passing it on untouched. */
export async function benchLists(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = scope.use(await startSeparately(folder, 1, { env: { POSTERN_USER_MAX_RATE: '0' } }));
  await registerCluster(stack, folder, scope);
  await writePeople(stack, folder);
  const untouched = await askerFor(stack, folder, 'lister-0', 'nothing to filter');
  const limited: Asker[] = [];
  for (const count of ruleCounts)
    limited.push(await askerFor(stack, folder, `lister-${count}`, `${count.toLocaleString('en')} rules`));
  return compare(stack.process('kube-proxy', 0).pid, untouched, limited);
}

/** In turns, so that what else the machine does falls on all; of each the round in the middle counts. */
async function compare(pid: number, untouched: Asker, limited: readonly Asker[]): Promise<Measured[]> {
  const all = [untouched, ...limited];
  const costs = new Map<Asker, Cost[]>(all.map((asker) => [asker, []]));
  for (const asker of all) await cost(pid, asker);
  const before = residentBytes(pid);
  for (let round = 0; round < rounds; round += 1)
    for (const asker of all) costs.get(asker)!.push(await cost(pid, asker));
  const middleOf = (asker: Asker, pick: (cost: Cost) => number) =>
    costs
      .get(asker)!
      .map(pick)
      .toSorted((a, b) => a - b)[Math.floor(rounds / 2)]!;
  const rows = all.map((asker) => {
    const [wall, cpu] = [middleOf(asker, ({ wallMs }) => wallMs), middleOf(asker, ({ cpuMs }) => cpuMs)];
    const [wall0, cpu0] = [
      middleOf(untouched, ({ wallMs }) => wallMs),
      middleOf(untouched, ({ cpuMs }) => cpuMs),
    ];
    const ratio = wall / wall0;
    const compared =
      asker === untouched ? '' : `, ${ratio.toFixed(2)}× the time, ${(cpu / cpu0).toFixed(2)}× the CPU`;
    return {
      path: `list of ${objects.toLocaleString('en')} pods, ${asker.title}`,
      figure: `${wall.toFixed(0)} ms, ${cpu.toFixed(0)} ms CPU of the edge, ${megabytes(costs.get(asker)![0]!.bytes)}${compared}`,
      ...(asker === limited.at(-1) ? { target: `≤ ${limit}× the time`, met: ratio <= limit } : {}),
    };
  });
  const grown = Math.max(0, residentBytes(pid) - before);
  return [
    ...rows,
    { path: 'memory of the edge after all of them', figure: `${megabytes(grown)} more than before` },
  ];
}

async function cost(pid: number, { plan }: Asker): Promise<Cost> {
  const before = cpuSeconds([pid]);
  const { ok, bytes, p50Ms } = await load({ ...plan, requests: listsPerRound });
  if (ok !== listsPerRound) throw new Error(`${listsPerRound - ok} of ${listsPerRound} lists failed`);
  return { wallMs: p50Ms, cpuMs: ((cpuSeconds([pid]) - before) / ok) * 1000, bytes: bytes / ok };
}

async function registerCluster(
  stack: SeparateStack,
  folder: string,
  scope: AsyncDisposableStack,
): Promise<void> {
  const pki = await openPki(join(folder, 'bench-pki'));
  const server = await pki.issue('upstream', { commonName: 'upstream', hosts: ['127.0.0.1', 'localhost'] });
  const client = await pki.issue('client', { commonName: 'client' });
  const port = await freePort();
  const args = [String(port), server.cert, server.key, pki.ca.cert, String(objects)];
  const upstream = spawn(process.execPath, [join(here, 'list-server.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.defer(() => void upstream.kill('SIGTERM'));
  await new Promise((resolve) => upstream.stdout.once('data', resolve));
  const kubeconfig = writeKubeconfig(join(folder, 'lists.kubeconfig'), {
    server: `https://127.0.0.1:${port}`,
    caFile: pki.ca.cert,
    client,
  });
  await create(stack, folder, [
    {
      kind: 'kube_cluster',
      version: 'v3',
      metadata: { name: 'lists', labels: { 'postern.dev/agent': 'local' } },
      spec: { kubeconfig: readFileSync(kubeconfig).toString('base64') },
    },
  ]);
  await until('the cluster is served', async () =>
    (await stack.admin.must('tsh', ['kube', 'ls'])).includes('lists'),
  );
}

/** A person with as many rules as its name says, each for the pods of one name; and one for whom there is nothing to filter. */
async function writePeople(stack: SeparateStack, folder: string): Promise<void> {
  for (const count of [0, ...ruleCounts]) {
    // So few rules cannot name each pod: the last one allows them all.
    const names = Array.from({ length: count }, (_, at) => (at === count - 1 ? 'web-*' : `web-${at}-*`));
    const roles = Array.from({ length: Math.max(1, Math.ceil(count / rulesPerRole)) }, (_, at) =>
      roleNamed(
        `lister-${count}-${at}`,
        count === 0 ? ['*'] : names.slice(at * rulesPerRole, (at + 1) * rulesPerRole),
      ),
    );
    const spec = { roles: roles.map(({ metadata }) => metadata.name) };
    for (const role of roles) await create(stack, folder, [role]);
    await create(stack, folder, [
      { kind: 'user', version: 'v2', metadata: { name: `lister-${count}` }, spec },
    ]);
  }
}

function roleNamed(name: string, names: readonly string[]) {
  const rule = { kind: 'pods', api_group: '', namespace: 'default', verbs: ['list'] };
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: ['viewers'],
    kubernetes_resources: names.map((each) => ({ ...rule, name: each })),
  };
  return { kind: 'role', version: 'v8', metadata: { name }, spec: { allow } };
}

async function create(stack: SeparateStack, folder: string, documents: readonly object[]): Promise<void> {
  const file = join(folder, 'documents.yaml');
  writeFileSync(file, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  await stack.admin.must('tctl', ['create', '-f', file]);
}

async function askerFor(stack: SeparateStack, folder: string, user: string, title: string): Promise<Asker> {
  const path = join(folder, `${user}.identity`);
  await stack.admin.must('tctl', ['auth', 'sign', `--user=${user}`, '--format=file', `--out=${path}`]);
  const identity = await openIdentity(
    locateIdentity({ identity: path, proxy: stack.proxyAddrs[0], env: {}, cwd: folder }),
    systemClock,
  );
  const file = (ending: string, content: string): string => {
    const name = join(folder, `${user}.${ending}`);
    writeFileSync(name, content, { mode: 0o600 });
    return name;
  };
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  return {
    title,
    plan: {
      protocol: 'h1',
      origin: `https://${stack.proxyAddrs[0]}`,
      path: `/v1/teleport/${encode('postern')}/${encode('lists')}/api/v1/namespaces/default/pods`,
      servername: 'localhost',
      certFile: file('crt', identity.certificate),
      keyFile: file('key', identity.key),
      caFile: file('ca', identity.caPem),
      connections: 1,
      perConnection: 1,
    },
  };
}

function load(plan: LoadPlan): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(here, 'load.ts'), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(JSON.parse(text) as LoadResult));
  });
}
