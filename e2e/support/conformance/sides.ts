import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type KubeApiServer,
  type KubeNode,
  type MetricsServer,
  startKubeApiServer,
  startKubeNode,
  startMetricsServer,
  writeKubeconfig,
} from '@postern/lab';
import { type SeparateStack, startSeparately, type Tools, until } from '@postern/testkit';
import { serveClusters } from '../serve-clusters.ts';
import { arrangeWorkload, streamGroup, workspace } from '../streams/arrange-workload.ts';
import { signedInPerson, writeRole } from '../streams/person.ts';
import { normalise } from './normalise.ts';
import type { Operation } from './operations.ts';

/** Directly to the API server, or through edge, tunnel and agent. Each side writes into the namespace of its name. */
export type Side = 'direct' | 'passed';

/** A cluster with a node, and alice, who may do everything there on both ways. */
export interface Sides extends AsyncDisposable {
  readonly folder: string;
  readonly stack: SeparateStack;
  readonly target: KubeApiServer;
  readonly node: KubeNode;
  readonly metrics: MetricsServer;
  readonly alice: Tools;
  /** Her kubeconfig for the API server itself. */
  readonly directly: string;
  /** What tells kubectl the side. */
  readonly flags: Readonly<Record<Side, readonly string[]>>;
  /** What kubectl says on a side, without what differs from run to run. */
  run(operation: Operation, side: Side): Promise<object>;
}

/** Starts all of it. */
export async function arrangeSides(): Promise<Sides> {
  await using scope = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-conformance-'));
  scope.defer(() => rm(folder, { recursive: true, force: true }));
  const [stack, target] = await Promise.all([
    startSeparately(folder, 1),
    startKubeApiServer({ dir: join(folder, 'target'), node: true, controllers: true, durable: false }),
  ]);
  scope.use(stack);
  scope.use(target);
  const node = scope.use(await startKubeNode(target, { dir: join(folder, 'node') }));
  const metrics = scope.use(await startMetricsServer(target));
  await arrangeWorkload(target, node);
  scope.use(await serveClusters({ folder, stack, target, clusters: { lab: {} } }));
  const everything = { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] };
  const role = await writeRole(folder, { name: 'all', resources: [everything] });
  await stack.admin.must('tctl', ['create', role]);
  const alice = await signedInPerson(stack, { name: 'alice', roles: 'all', folder, cluster: 'lab' });
  const client = await target.pki.issue('alice', { commonName: 'alice', organization: streamGroup });
  const directly = join(folder, 'directly.kubeconfig');
  writeKubeconfig(directly, { server: target.url, caFile: target.caFile, client });
  const flags = { direct: ['--kubeconfig', directly], passed: [] };
  const run: Sides['run'] = (operation, side) =>
    runKubectl({ alice, folder, operation, side, flags: flags[side] });
  const pods = ['box ', 'once ', 'once-more '];
  const areMeasured = async () => {
    const { stdout } = await alice.kubectl([...flags.direct, 'top', 'pods', '-n', workspace]);
    return pods.every((name) => stdout.includes(name));
  };
  await until('there are figures of every pod', areMeasured, { withinMs: 60_000, everyMs: 500 });
  const open = scope.move();
  const dispose = () => open.disposeAsync();
  return {
    folder,
    stack,
    target,
    node,
    metrics,
    alice,
    directly,
    flags,
    run,
    [Symbol.asyncDispose]: dispose,
  };
}

interface Run {
  readonly alice: Tools;
  readonly folder: string;
  readonly operation: Operation;
  readonly side: Side;
  readonly flags: readonly string[];
}

async function runKubectl({ alice, folder, operation, side, flags }: Run): Promise<object> {
  const { args, input, isAwaited = false } = operation;
  const options = { cwd: folder, timeoutMs: 120_000, ...(input === undefined ? {} : { input }) };
  const once = () => alice.kubectl([...flags, ...args], options);
  let outcome = await once();
  if (isAwaited)
    await until(`kubectl ${args.join(' ')} succeeds`, async () => {
      if (outcome.code !== 0) outcome = await once();
      return outcome.code === 0;
    });
  const { code, stdout, stderr } = outcome;
  const shown = (text: string) => normalise(withoutAddress(text), side);
  return { code, stdout: shown(stdout), stderr: shown(stderr) };
}

/** Text without where the server is, which kubectl says now and then. */
function withoutAddress(text: string): string {
  return text.replaceAll(/https:\/\/127\.0\.0\.1:\d+(?:\/v1\/teleport\/[\w-]+\/[\w-]+)?/g, '<server>');
}
