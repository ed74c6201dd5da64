import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureKubeAssets } from '../assets/kube-assets.ts';
import type { KubeAssets } from '../assets/kube-binaries.ts';
import type { Progress } from '../progress.ts';
import type { Child } from '../process/child.ts';
import { rememberedPort } from '../process/free-port.ts';
import { reapOrphan } from '../process/reap-orphan.ts';
import { apiServerGraceMs, startApiServerProcess } from './api-server-process.ts';
import { startControllerManager } from './controller-manager.ts';
import { startEtcd } from './etcd.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { readKubeVersion } from './kube-version.ts';
import { openPki, type Pki } from './pki.ts';
import type { KubeApiServer, ServerFacts } from './server-facts.ts';
import { refuseOtherVersion } from './version-file.ts';

/** How to run an API server. Everything it keeps lies in `dir`; a second start there finds it again. */
export interface KubeApiServerOptions {
  readonly dir: string;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The port of the last run when free, else any, unless given. */
  readonly port?: number | undefined;
  /** Runs the controller manager too: service accounts get tokens, namespaces end, deployments make pods. */
  readonly controllers?: boolean | undefined;
  /** Prepares for `startKubeNode`: the controllers, and the binaries of a node. */
  readonly node?: boolean | undefined;
  /** Writes each request, with its impersonation, to `auditFile` as JSON lines. */
  readonly auditLog?: boolean | undefined;
  /** False lets etcd skip its disk syncs, for tests. */
  readonly durable?: boolean | undefined;
  /** More flags for kube-apiserver, such as a token webhook. */
  readonly apiServerArgs?: readonly string[] | undefined;
}

/** Starts etcd, kube-apiserver and, when asked, kube-controller-manager, on 127.0.0.1, and waits until they are ready. */
export async function startKubeApiServer(options: KubeApiServerOptions): Promise<KubeApiServer> {
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const controllers = options.controllers || options.node || false;
  const assets = await ensureKubeAssets({
    need: [
      ...(['etcd', 'kube-apiserver'] as const),
      ...(controllers ? (['kube-controller-manager'] as const) : []),
      ...(options.node ? (['kubelet', 'kube-scheduler'] as const) : []),
    ],
    progress: options.progress,
    signal: options.signal,
  });
  const pki = await openPki(join(dir, 'pki'));
  const started: Child[] = [];
  const stop = async () => {
    for (const child of started.toReversed()) await child.stop();
  };
  try {
    // Before ports are chosen: an orphan of an earlier run still sits on the one that is remembered.
    for (const name of ['kube-controller-manager', 'kube-apiserver', 'etcd']) {
      await reapOrphan(dir, name, { graceMs: apiServerGraceMs });
    }
    const port = options.port ?? (await rememberedPort(join(dir, 'port')));
    const server = await describeServer({ dir, port, pki, assets });
    options.progress?.(`starting etcd and kube-apiserver ${server.version}`);
    const etcd = await startEtcd({ dir, binary: assets.etcd, pki, durable: options.durable ?? true });
    started.push(etcd.child);
    const { auditLog = false, apiServerArgs = [], signal } = options;
    started.push(
      await startApiServerProcess(server, etcd, { controllers, auditLog, extraArgs: apiServerArgs, signal }),
    );
    if (controllers) {
      options.progress?.('starting kube-controller-manager');
      started.push(await startControllerManager(server));
    }
    const pids = Object.fromEntries(started.map((child) => [child.name, child.pid]));
    return { ...server, pids, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function describeServer(given: {
  dir: string;
  port: number;
  pki: Pki;
  assets: KubeAssets;
}): Promise<ServerFacts> {
  const { dir, port, pki, assets } = given;
  const url = `https://127.0.0.1:${port}`;
  const admin = await pki.issue('admin', { commonName: 'lab-admin', organization: 'system:masters' });
  const kubeconfig = writeKubeconfig(join(dir, 'kubeconfig'), {
    server: url,
    caFile: pki.ca.cert,
    client: admin,
  });
  const version = await readKubeVersion(assets['kube-apiserver']!);
  refuseOtherVersion(join(dir, 'version'), version);
  return {
    url,
    port,
    kubeconfig,
    caFile: pki.ca.cert,
    admin,
    auditFile: join(dir, 'audit.log'),
    dir,
    version,
    pki,
    assets,
  };
}
