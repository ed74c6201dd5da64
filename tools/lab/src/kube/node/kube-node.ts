import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Progress } from '../../progress.ts';
import { type Child, startChild } from '../../process/child.ts';
import { reapOrphan } from '../../process/reap-orphan.ts';
import { controllerArgs } from '../controller-manager.ts';
import type { KubeApiServer } from '../server-facts.ts';
import { busyboxImage } from './busybox-image.ts';
import { canRunKubeNode } from './can-run-kube-node.ts';
import { cleanUpNode } from './clean-up.ts';
import { startContainerd } from './containerd.ts';
import { startKubelet } from './kubelet.ts';
import { nodeAddress, nodeLayout } from './node-layout.ts';
import { ensureNodePrograms } from './node-packages.ts';

/** How to run a node. */
export interface KubeNodeOptions {
  readonly dir: string;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A running node. */
export interface KubeNode extends AsyncDisposable {
  readonly name: string;
  /** The one image there is, a busybox; pods use it with `imagePullPolicy: Never`. */
  readonly image: string;
  readonly pids: Readonly<Record<string, number>>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts a scheduler, containerd and a kubelet against a server that was started with `node: true`, and waits until pods run.
 * Stopping it ends every container and takes its mounts and its bridge away.
 */
export async function startKubeNode(server: KubeApiServer, options: KubeNodeOptions): Promise<KubeNode> {
  const able = canRunKubeNode();
  if (!able.ok) throw new Error(`this machine cannot run a Kubernetes node: ${able.reason}`);
  if (!server.assets.kubelet) throw new Error('start the API server with node: true to run a node beside it');
  const layout = nodeLayout(resolve(options.dir));
  mkdirSync(layout.dir, { recursive: true, mode: 0o700 });
  const programs = await ensureNodePrograms(options);
  const started: Child[] = [];
  const stop = async () => {
    for (const child of started.toReversed()) await child.stop();
    await cleanUpNode(layout, programs.env);
  };
  try {
    started.push(await startScheduler(server, layout.dir));
    options.progress?.('starting containerd');
    // What an earlier run left behind goes before the clean-up: a live kubelet would bring its containers back.
    for (const name of ['kubelet', 'containerd']) await reapOrphan(layout.dir, name);
    await cleanUpNode(layout, programs.env);
    started.push(await startContainerd(layout, programs));
    options.progress?.('starting kubelet');
    started.push(await startKubelet({ server, layout, programs, address: nodeAddress()! }));
  } catch (error) {
    await stop();
    throw error;
  }
  const pids = Object.fromEntries(started.map((child) => [child.name, child.pid]));
  return { name: layout.nodeName, image: busyboxImage, pids, stop, [Symbol.asyncDispose]: stop };
}

async function startScheduler(server: KubeApiServer, dir: string): Promise<Child> {
  const args = await controllerArgs(server, 'kube-scheduler');
  return startChild({ name: 'kube-scheduler', dir, command: server.assets['kube-scheduler']!, args });
}
