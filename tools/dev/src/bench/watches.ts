import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { locateIdentity, openIdentity } from '@postern/client';
import { delay, systemClock } from '@postern/core';
import { type SeparateStack, startSeparately } from '@postern/testkit';
import { type BenchCluster, registerBenchCluster } from './bench-cluster.ts';
import { residentBytes } from './memory.ts';
import type { Measured } from './table.ts';
import type { WatchersOrder, WatchersPlan, WatchersTold } from './watchers.ts';

const here = import.meta.dirname;
const people = 20;
/** Beyond what a process takes once: compiled code, buffers, the first connections. */
const warmUp: WatchersOrder = { connections: 20, perConnection: 10 };
const shared: WatchersOrder = { connections: 98, perConnection: 100 };
const single: WatchersOrder = { connections: 2000, perConnection: 1 };

/** Memory of the edge for each idle watch, and how soon a change of a role ends all of them. */
export async function benchWatches(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = scope.use(await startSeparately(folder, 1, { env: { POSTERN_USER_MAX_RATE: '0' } }));
  const cluster = await registerBenchCluster(stack, folder);
  scope.defer(() => cluster.stop());
  await writeRole(stack, folder, 'pods');
  const plan = await planFor(stack, folder, cluster);
  const pid = stack.process('kube-proxy', 0).pid;

  const many = new Watchers(plan);
  scope.defer(() => many.stop());
  const onShared = await memoryEach(pid, many, shared);
  const cutMs = await many.cutBy(() => writeRole(stack, folder, 'configmaps'));
  await writeRole(stack, folder, 'pods');
  const few = new Watchers(plan);
  scope.defer(() => few.stop());
  const onOwn = await memoryEach(pid, few, single);
  return [
    row('idle watch, 100 on each client connection', onShared, 25),
    row('idle watch, a client connection each', onOwn, 60),
    {
      path: '10,000 watches, a role changes',
      figure: `all cut ${(cutMs / 1000).toFixed(1)} s after the command began`,
      target: '≤ 5 s',
      met: cutMs <= 5000,
    },
  ];
}

function row(path: string, bytes: number, limit: number): Measured {
  const kilobytes = bytes / 1000;
  return { path, figure: `${kilobytes.toFixed(1)} kB`, target: `≤ ${limit} kB`, met: kilobytes <= limit };
}

async function memoryEach(pid: number, watchers: Watchers, order: WatchersOrder): Promise<number> {
  await watchers.do(warmUp);
  const before = await settledBytes(pid);
  await watchers.do(order);
  return ((await settledBytes(pid)) - before) / (order.connections * order.perConnection);
}

/** Resident memory once what was used on the way has been collected, as far as the process does that by itself. */
async function settledBytes(pid: number): Promise<number> {
  let least = residentBytes(pid);
  for (let count = 0; count < 10; count += 1) {
    await delay(1000);
    least = Math.min(least, residentBytes(pid));
  }
  return least;
}

async function writeRole(stack: SeparateStack, folder: string, kind: string): Promise<void> {
  const file = join(folder, 'watcher-role.yaml');
  const resource = { kind, api_group: '', namespace: '*', name: '*', verbs: ['*'] };
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: ['watchers'],
    kubernetes_resources: [resource],
  };
  writeFileSync(
    file,
    JSON.stringify({ kind: 'role', version: 'v8', metadata: { name: 'bench-watcher' }, spec: { allow } }),
  );
  await stack.admin.must('tctl', ['create', '-f', file]);
}

/** People with certificates: one alone may not have as many requests open. */
async function planFor(stack: SeparateStack, folder: string, cluster: BenchCluster): Promise<WatchersPlan> {
  const certified = [];
  for (let index = 0; index < people; index += 1) {
    const name = `watcher-${index}`;
    await stack.admin.must('tctl', ['users', 'add', name, '--roles=bench-watcher']);
    const file = join(folder, `${name}.identity`);
    await stack.admin.must('tctl', ['auth', 'sign', `--user=${name}`, '--format=file', `--out=${file}`]);
    const identity = await openIdentity(
      locateIdentity({ identity: file, proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: folder }),
      systemClock,
    );
    const files = { certFile: `${file}.crt`, keyFile: `${file}.key` };
    writeFileSync(files.certFile, identity.certificate, { mode: 0o600 });
    writeFileSync(files.keyFile, identity.key, { mode: 0o600 });
    certified.push(files);
  }
  const { origin, prefix, servername, caFile } = cluster.edge;
  return {
    origin,
    path: `${prefix}/api/v1/namespaces/default/pods?watch=1`,
    servername,
    caFile,
    people: certified,
  };
}

/** The process that watches. */
class Watchers {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(plan: WatchersPlan) {
    this.#child = spawn(process.execPath, [join(here, 'watchers.ts'), JSON.stringify(plan)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async do(order: WatchersOrder): Promise<WatchersTold> {
    this.#child.stdin!.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the process that watches ended: see its error above');
    return JSON.parse(value) as WatchersTold;
  }

  /** Milliseconds from the beginning of a change until all watches have ended. */
  async cutBy(change: () => Promise<void>): Promise<number> {
    const ending = this.do({ connections: 0, perConnection: 0 });
    await change();
    return (await ending).ms;
  }

  stop(): void {
    this.#child.kill('SIGTERM');
  }
}
