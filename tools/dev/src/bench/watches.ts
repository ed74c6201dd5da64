import { mkdirSync } from 'node:fs';
import type { SeparateStack } from '@postern/testkit';
import { type BenchCluster, registerBenchCluster } from './bench-cluster.ts';
import { startBenchStack } from './bench-stack.ts';
import { createResources } from './create-resources.ts';
import { LineProcess } from './line-process.ts';
import { settledResidentBytes } from './memory.ts';
import { userFiles } from './side.ts';
import type { Measured } from './table.ts';
import type { WatchersOrder, WatchersPlan, WatchersTold } from './watchers.ts';

const people = 20;
/** Beyond what a process takes once: compiled code, buffers, the first connections. */
const warmUp: WatchersOrder = { connections: 20, perConnection: 10 };
const shared: WatchersOrder = { connections: 98, perConnection: 100 };
const single: WatchersOrder = { connections: 2000, perConnection: 1 };

/** Memory of the edge for each idle watch, and how soon a change of a role ends all of them. */
export async function benchWatches(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = await startBenchStack(folder, scope);
  const cluster = await registerBenchCluster(stack, folder, scope);
  await writeRole(stack, folder, 'pods');
  const plan = await planFor(stack, folder, cluster);
  const pid = stack.process('kube-proxy', 0).pid;

  const many = scope.use(new LineProcess('watchers.ts', plan));
  const onShared = await memoryEach(pid, many, shared);
  const cutMs = await cutBy(many, () => writeRole(stack, folder, 'configmaps'));
  await writeRole(stack, folder, 'pods');
  const few = scope.use(new LineProcess('watchers.ts', plan));
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

async function memoryEach(pid: number, watchers: LineProcess, order: WatchersOrder): Promise<number> {
  await watchers.do(warmUp);
  const before = await settledResidentBytes(pid);
  await watchers.do(order);
  return ((await settledResidentBytes(pid)) - before) / (order.connections * order.perConnection);
}

async function writeRole(stack: SeparateStack, folder: string, kind: string): Promise<void> {
  const resource = { kind, api_group: '', namespace: '*', name: '*', verbs: ['*'] };
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: ['watchers'],
    kubernetes_resources: [resource],
  };
  const metadata = { name: 'bench-watcher' };
  await createResources(stack, folder, [{ kind: 'role', version: 'v8', metadata, spec: { allow } }]);
}

/** People with certificates: one alone may not have as many requests open. */
async function planFor(stack: SeparateStack, folder: string, cluster: BenchCluster): Promise<WatchersPlan> {
  const certified = [];
  for (let index = 0; index < people; index += 1) {
    const name = `watcher-${index}`;
    await stack.admin.must('tctl', ['users', 'add', name, '--roles=bench-watcher']);
    certified.push(await userFiles(stack, folder, name));
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

/** Milliseconds from the beginning of a change until all watches have ended. */
async function cutBy(watchers: LineProcess, change: () => Promise<void>): Promise<number> {
  const order: WatchersOrder = { connections: 0, perConnection: 0 };
  const ending = watchers.do<WatchersTold>(order);
  await change();
  return (await ending).ms;
}
