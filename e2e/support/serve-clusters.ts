import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Api, locateIdentity, openApi, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import { type KubeApiServer, writeKubeconfig } from '@postern/lab';
import { root, type RunningProcess, type SeparateStack, startProcess, until } from '@postern/testkit';
import { stringify } from 'yaml';

/** Labels by cluster name. */
export type ClusterLabels = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** An agent that serves one API server under several names, and the API of the control plane as its admin. */
export interface ServedClusters extends AsyncDisposable {
  readonly api: Api;
  readonly caPem: string;
  readonly agent: RunningProcess;
}

/** What clusters are made of. */
export interface ServeOptions {
  readonly folder: string;
  readonly stack: SeparateStack;
  readonly target: KubeApiServer;
  readonly clusters: ClusterLabels;
}

/** The user the agent is at the API server; nobody else signs in there as it. */
export const agentUser = 'lab-agent';

/** Starts an agent for every cluster and registers the API server under each of the names. */
export async function serveClusters(options: ServeOptions): Promise<ServedClusters> {
  const { stack, clusters } = options;
  const located = locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: stack.dataDir });
  const { key, certificate, caPem } = await openIdentity(located, systemClock);
  const api = openApi({ proxy: stack.proxyAddrs[0]!, caPem, identity: { key, certificate } });
  const kubeconfig = await agentKubeconfig(options);
  const agent = await startAgent(options, api);
  try {
    await register(api, clusters, kubeconfig);
  } catch (error) {
    await agent.stop();
    throw error;
  }
  return {
    api,
    caPem,
    agent,
    async [Symbol.asyncDispose]() {
      await agent.stop();
      await api[Symbol.asyncDispose]();
    },
  };
}

async function register(api: Api, clusters: ClusterLabels, kubeconfig: string): Promise<void> {
  for (const [name, labels] of Object.entries(clusters)) {
    const metadata = { name, labels };
    await api.resources.create({ kind: 'kube_cluster', version: 'v3', metadata, spec: { kubeconfig } });
  }
  await until(
    'every cluster is served',
    async () => {
      const served = await api.inventory.clusters();
      return Object.keys(clusters).every((name) => served.some((cluster) => cluster.name === name));
    },
    { withinMs: 60_000 },
  );
}

async function agentKubeconfig({ folder, target }: ServeOptions): Promise<string> {
  const client = await target.pki.issue(agentUser, { commonName: agentUser, organization: 'system:masters' });
  const file = join(folder, 'agent-kubeconfig');
  writeKubeconfig(file, { server: target.url, caFile: target.caFile, client });
  return (await readFile(file)).toString('base64');
}

async function startAgent({ folder, stack }: ServeOptions, api: Api): Promise<RunningProcess> {
  const token = 'a-token-for-the-agent-of-this-test';
  const spec = { roles: ['Kube'], join_method: 'token' };
  await api.resources.create({ kind: 'token', version: 'v2', metadata: { name: token }, spec });
  const [pin] = (await api.status()).caPins;
  const dataDir = join(folder, 'agent');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const file = join(folder, 'agent.yaml');
  const config = {
    version: 'v3',
    teleport: {
      proxy_server: stack.proxyAddrs[0],
      ca_pin: pin,
      data_dir: dataDir,
      join_params: { token_name: token, method: 'token' },
    },
    auth_service: { enabled: 'no' },
    proxy_service: { enabled: 'no' },
    ssh_service: { enabled: 'no' },
    kubernetes_service: { enabled: 'yes', allow_loopback: true, resources: [{ labels: { '*': '*' } }] },
  };
  await writeFile(file, stringify(config), { mode: 0o600 });
  return startProcess({
    name: 'agent',
    command: join(root, 'bin', 'postern'),
    args: ['start', '-c', file],
    env: { ...stack.admin.env, POSTERN_HEARTBEAT_INTERVAL: '2s' },
    cwd: folder,
    logDir: folder,
  });
}
