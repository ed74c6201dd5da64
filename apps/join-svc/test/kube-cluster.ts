import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, locateKubectl, startKubeApiServer } from '@postern/lab';
import { mustRun } from '@postern/testkit';
import { stringify } from 'yaml';

/** A Kubernetes cluster of an API server alone, in which pods are made but never run. */
export interface KubeCluster extends AsyncDisposable {
  readonly server: KubeApiServer;
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Makes a pod that runs as a service account, and the account. */
  makePod(account: string, pod: string): Promise<void>;
  /** A token as the kubelet gets it for a pod. */
  token(account: string, options?: TokenOptions): Promise<string>;
}

export interface TokenOptions {
  readonly pod?: string;
  readonly audience?: string;
  readonly duration?: string;
}

export const namespace = 'agents';

export async function startKubeCluster(): Promise<KubeCluster> {
  await using starting = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'kube-join-'));
  starting.defer(() => rm(dir, { recursive: true, force: true }));
  const server = starting.use(await startKubeApiServer({ dir, durable: false }));
  const program = await locateKubectl();
  const kubectl = (args: readonly string[], input = '') =>
    mustRun(program, ['--kubeconfig', server.kubeconfig, '-n', namespace, ...args], { input });
  await kubectl(['create', 'namespace', namespace]);
  const open = starting.move();
  return {
    server,
    kubectl,
    makePod: async (account, pod) => {
      await kubectl(['apply', '-f', '-'], podOf(account, pod));
    },
    token: async (account, { pod, audience, duration = '10m' } = {}) => {
      const bound = pod === undefined ? [] : ['--bound-object-kind=Pod', `--bound-object-name=${pod}`];
      const given = audience === undefined ? [] : [`--audience=${audience}`];
      return (
        await kubectl(['create', 'token', account, `--duration=${duration}`, ...bound, ...given])
      ).trim();
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

function podOf(account: string, name: string): string {
  const containers = [{ name: 'agent', image: 'agent' }];
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account } },
    { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { serviceAccountName: account, containers } },
  ];
  return objects.map((object) => stringify(object)).join('---\n');
}
