import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@postern/core';
import { type Progress, startNats, startPostgres } from '@postern/lab';
import {
  type DataDir,
  type Environment,
  openBusKeys,
  openDataDir,
  startControlPlane,
  writeSecret,
} from '@postern/postern';
import { contextsOf } from './contexts.ts';
import { keepBusCertificate } from './keep-bus-certificate.ts';
import { startDemoCluster } from './demo-cluster.ts';
import type { StartOptions } from './options.ts';
import { localLabel, registerClusters } from './register.ts';
import { takeOver } from './take-over.ts';

/** How a start tells what it does, and how it is told to give up. */
export interface StartContext {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The whole system in this process, with Postgres, NATS and the demo cluster as its children. */
export async function startSystem(options: StartOptions, context: StartContext): Promise<AsyncDisposable> {
  await using scope = new AsyncDisposableStack();
  const { progress, signal } = context;
  const dataDir = openDataDir(options.dataDir);
  scope.use(await takeOver(dataDir.path, progress));
  const env = await startServers(dataDir, scope, context);
  signal.throwIfAborted();
  scope.use(await startServices(dataDir, env, options));
  progress('the five services are running');
  signal.throwIfAborted();
  const clusters = await clustersOf(options, { dataDir, scope, context });
  await registerClusters(clusters, {
    proxy: options.publicAddr,
    identityFile: dataDir.adminIdentityFile,
    progress,
  });
  signal.throwIfAborted();
  tellReady(
    options,
    clusters.map((cluster) => cluster.name),
  );
  return scope.move();
}

/** Postgres and NATS, embedded unless the environment names others, and the variables that lead to them. */
async function startServers(
  dataDir: DataDir,
  scope: AsyncDisposableStack,
  { progress }: StartContext,
): Promise<Environment> {
  let postgresUrl = process.env['POSTERN_PG_URL'];
  if (!postgresUrl) {
    const postgres = await startPostgres({ dataDir: join(dataDir.path, 'postgres'), progress });
    scope.defer(postgres.stop);
    postgresUrl = postgres.url;
  }
  const natsUrl = process.env['POSTERN_NATS_URL'];
  if (natsUrl) return { POSTERN_PG_URL: postgresUrl, POSTERN_NATS_URL: natsUrl };
  const { natsConfig: config, tls, renewTls, env } = await openBusKeys(dataDir);
  const nats = await startNats({ dir: dataDir.folder('nats'), config, tls, websocket: true, progress });
  scope.defer(nats.stop);
  const onFailed = (error: unknown) => progress(`the bus keeps its certificate for now: ${messageOf(error)}`);
  scope.use(keepBusCertificate({ nats, renewTls, onFailed }));
  return {
    ...env,
    POSTERN_PG_URL: postgresUrl,
    POSTERN_NATS_URL: nats.url,
    POSTERN_NATS_WS_URL: nats.websocketUrl!,
  };
}

/** The control plane by the command line; what is logged and how often agents are heard is for the environment to say. */
function startServices(
  dataDir: DataDir,
  env: Environment,
  { publicAddr }: StartOptions,
): Promise<AsyncDisposable> {
  return startControlPlane({
    dataDir,
    clusterName: 'postern',
    listen: publicAddr,
    publicAddrs: publicAddr,
    env: {
      ...env,
      POSTERN_HEARTBEAT_INTERVAL: process.env['POSTERN_HEARTBEAT_INTERVAL'] ?? '10s',
      POSTERN_LOG_LEVEL: process.env['POSTERN_LOG_LEVEL'] ?? 'warn',
      POSTERN_LOG_FORMAT: 'text',
    },
    kubeFile: localAgentFile(dataDir),
    allowLoopback: true,
    discoveryFile: '',
  });
}

/** The kube agent of this process serves what `npm start` registered; everything else is for agents that were started for it. */
function localAgentFile(dataDir: DataDir): string {
  const file = join(dataDir.path, 'local-agent.yaml');
  const labels = `{ "${localLabel.key}": "${localLabel.value}" }`;
  const off = ['auth_service', 'proxy_service', 'ssh_service']
    .map((name) => `${name}: { enabled: "no" }\n`)
    .join('');
  writeSecret(
    file,
    `version: v3\n${off}kubernetes_service:\n  enabled: "yes"\n  resources:\n    - labels: ${labels}\n`,
  );
  return file;
}

interface ClusterSource {
  readonly dataDir: DataDir;
  readonly scope: AsyncDisposableStack;
  readonly context: StartContext;
}

async function clustersOf(options: StartOptions, { dataDir, scope, context }: ClusterSource) {
  if (options.kubeconfig !== undefined) {
    if (!existsSync(options.kubeconfig)) throw new Error(`there is no kubeconfig ${options.kubeconfig}`);
    return contextsOf(options.kubeconfig);
  }
  if (!options.demo) return [];
  const demo = await startDemoCluster({ dir: dataDir.folder('kube'), ...context });
  scope.defer(demo.server.stop);
  writeSecret(join(dataDir.path, 'kube', 'admin.kubeconfig'), readFileSync(demo.server.kubeconfig, 'utf8'));
  return [{ name: 'demo', kubeconfig: demo.kubeconfig }];
}

function tellReady(options: StartOptions, clusters: readonly string[]): void {
  const [first = 'NAME'] = clusters;
  console.log(`
Postern is ready

  edge       https://${options.publicAddr}
  data       ${options.dataDir}
  clusters   ${clusters.join(', ') || 'none yet'}  (an agent here serves what is labelled ${localLabel.key}: ${localLabel.value})

  bin/tsh kube ls
  bin/tsh kube login ${first}
  kubectl get namespaces

Ctrl-C stops everything.
`);
}
