import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Api, locateIdentity, openApi, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import {
  canRunKubeNode,
  type KubeApiServer,
  startKubeApiServer,
  startKubeNode,
  writeKubeconfig,
} from '@postern/lab';
import { mustRun, type RunningProcess, type SeparateStack, startSeparately, until } from '@postern/testkit';
import { agentUser } from '../serve-clusters.ts';
import { signIn } from '../signed-in-user.ts';
import { arrangeWorkload, streamGroup, workspace } from '../streams/arrange-workload.ts';
import type { Caller } from '../tunnels/load.ts';
import { type AgentOptions, runTunnelAgent, startTunnelAgent } from '../tunnels/start-agent.ts';
import { startReadyBalancer } from './ready-balancer.ts';

/** How a soak is set up. */
export interface GroundOptions {
  readonly folder: string;
  /** A real kubelet, for exec and logs. */
  readonly hasNode: boolean;
  /** How long the certificate of the user has to last. */
  readonly ttlSeconds: number;
}

/** Agents that serve the cluster, each for itself. */
export interface SoakAgents {
  readonly names: readonly string[];
  process(at: number): RunningProcess;
  /** Starts one that ended again, with the identity that it has. */
  start(at: number): Promise<void>;
}

/** Two edges behind a balancer, two agents, an API server behind these, and somebody who may do everything there. */
export interface SoakGround extends AsyncDisposable {
  readonly stack: SeparateStack;
  readonly target: KubeApiServer;
  readonly agents: SoakAgents;
  /** `https://127.0.0.1:port` of the balancer. */
  readonly origin: string;
  readonly caller: Caller;
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly hasNode: boolean;
  /** Path of the cluster at the edges, for an API path. */
  at(path: string): string;
  /** Whether both edges are ready and hold tunnels of both agents. */
  isWhole(): Promise<boolean>;
}

export const soakUser = 'alice';
export const informedNamespace = 'informed';
const cluster = 'lab';
const agentNames = ['agent-a', 'agent-b'];
const edgeNames = ['kube-proxy-0', 'kube-proxy-1'];

/** Starts all of it and waits until everything is reached. */
export async function startSoakGround(options: GroundOptions): Promise<SoakGround> {
  const { folder, hasNode } = options;
  await using scope = new AsyncDisposableStack();
  const starting = [
    startSeparately(folder, 2),
    startKubeApiServer({
      dir: join(folder, 'target'),
      controllers: true,
      node: hasNode,
      durable: false,
      auditLog: true,
    }),
  ] as const;
  scope.defer(async () => {
    for (const outcome of await Promise.allSettled(starting))
      if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
  });
  const [stack, target] = await Promise.all(starting);
  if (hasNode) {
    const node = scope.use(await startKubeNode(target, { dir: join(folder, 'node') }));
    await arrangeWorkload(target, node);
  } else await arrangeNamespace(target);
  await mustRun('kubectl', ['--kubeconfig', target.kubeconfig, 'create', 'namespace', informedNamespace]);
  const balancer = scope.use(
    await startReadyBalancer(
      edgeNames.map((name, at) => ({
        port: Number(stack.proxyAddrs[at]!.split(':')[1]),
        isReady: () => stack.isReady(name),
      })),
    ),
  );
  const address = `127.0.0.1:${balancer.port}`;
  const api = scope.use(await adminApi(stack));
  await arrangeAccess(api, target, folder);
  const agents = scope.use(await startAgents({ folder, stack, proxyServer: address, labels: { '*': '*' } }));
  const isWhole = async () => {
    const tunnels = await Promise.all(edgeNames.map((name) => stack.metric(name, 'postern_kube_tunnels')));
    return tunnels.every((count) => count === agentNames.length);
  };
  await until('both edges hold tunnels of both agents', isWhole, { withinMs: 60_000 });
  const signed = await signInAt(api, options, address);
  const open = scope.move();
  const segment = (text: string) => Buffer.from(text).toString('base64url');
  return {
    stack,
    target,
    agents,
    origin: `https://${address}`,
    ...signed,
    namespace: workspace,
    hasNode,
    at: (path) => `/v1/teleport/${segment('postern')}/${segment(cluster)}${path}`,
    isWhole: () => isWhole().catch(() => false),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Whether exec and logs can be part of a soak here; if not, why. */
export const nodeIsPossible = canRunKubeNode;

async function arrangeNamespace({ kubeconfig }: KubeApiServer): Promise<void> {
  const kubectl = (args: readonly string[]) => mustRun('kubectl', ['--kubeconfig', kubeconfig, ...args]);
  await kubectl(['create', 'namespace', workspace]);
  const binding = ['--clusterrole=cluster-admin', `--group=${streamGroup}`];
  await kubectl(['create', 'clusterrolebinding', streamGroup, ...binding]);
}

async function adminApi(stack: SeparateStack): Promise<Api> {
  const located = locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: stack.dataDir });
  const { key, certificate, caPem } = await openIdentity(located, systemClock);
  return openApi({ proxy: stack.proxyAddrs[0]!, caPem, identity: { key, certificate } });
}

async function arrangeAccess(api: Api, target: KubeApiServer, folder: string): Promise<void> {
  const client = await target.pki.issue(agentUser, { commonName: agentUser, organization: 'system:masters' });
  const file = join(folder, 'agent-kubeconfig');
  writeKubeconfig(file, { server: target.url, caFile: target.caFile, client });
  const kubeconfig = (await readFile(file)).toString('base64');
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: [streamGroup],
    kubernetes_resources: [{ kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] }],
  };
  const documents = [
    { kind: 'kube_cluster', version: 'v3', metadata: { name: cluster }, spec: { kubeconfig } },
    { kind: 'role', version: 'v8', metadata: { name: 'all' }, spec: { allow } },
    { kind: 'user', version: 'v2', metadata: { name: soakUser }, spec: { roles: ['all'] } },
  ];
  for (const document of documents) await api.resources.create(document);
}

async function startAgents(common: Omit<AgentOptions, 'name'>): Promise<SoakAgents & AsyncDisposable> {
  const running: RunningProcess[] = [];
  for (const name of agentNames) running.push(await startTunnelAgent({ ...common, name }));
  return {
    names: agentNames,
    process: (at) => running[at]!,
    start: async (at) => {
      running[at] = runTunnelAgent({ ...common, name: agentNames[at]! });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((agent) => agent.stop()));
    },
  };
}

async function signInAt(
  api: Api,
  { folder, ttlSeconds }: GroundOptions,
  address: string,
): Promise<Pick<SoakGround, 'caller' | 'kubeconfig'>> {
  const home = join(folder, soakUser);
  await mkdir(home, { recursive: true });
  const caPem = await readFile(join(folder, 'data', 'ca.pem'), 'utf8');
  const options = { api, caPem, folder: home, clusters: [cluster], ttlSeconds };
  const user = await until(`${soakUser} can sign in`, () => signIn(options, soakUser));
  const kubeconfig = await user.through(address);
  const { users } = JSON.parse(await readFile(kubeconfig, 'utf8')) as KubeconfigFile;
  const key = Buffer.from(users[0]!.user['client-key-data'], 'base64').toString();
  await until(`${soakUser} may reach the cluster`, async () => {
    const flags = ['--kubeconfig', kubeconfig, '--context', cluster];
    await mustRun('kubectl', [...flags, 'get', 'pods', '-n', workspace], { cwd: home });
    await mustRun('kubectl', ['config', 'use-context', cluster, '--kubeconfig', kubeconfig], { cwd: home });
    return true;
  });
  return { kubeconfig, caller: { key, cert: user.certificate, ca: caPem } };
}

interface KubeconfigFile {
  readonly users: readonly { readonly user: { readonly 'client-key-data': string } }[];
}
