import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from '../../process/child.ts';
import { freePort } from '../../process/free-port.ts';
import { waitUntil } from '../../process/wait-until.ts';
import { featureArgs } from '../feature-args.ts';
import { httpsGet } from '../https-get.ts';
import { writeKubeconfig } from '../kubeconfig.ts';
import { minorOf } from '../kube-version.ts';
import type { ServerFacts } from '../server-facts.ts';
import type { NodeLayout } from './node-layout.ts';
import type { NodePrograms } from './node-packages.ts';

const READY_TIMEOUT_MS = 120_000;

/** What a kubelet works with. */
export interface KubeletOptions {
  readonly server: ServerFacts;
  readonly layout: NodeLayout;
  readonly programs: NodePrograms;
  readonly address: string;
}

/** Starts the kubelet, registers the node and waits until pods can be placed on it. */
export async function startKubelet({ server, layout, programs, address }: KubeletOptions): Promise<Child> {
  const { pki } = server;
  mkdirSync(layout.kubeletDir, { recursive: true, mode: 0o700 });
  const name = layout.nodeName;
  const client = await pki.issue(name, { commonName: `system:node:${name}`, organization: 'system:nodes' });
  const serving = await pki.issue(`${name}-${address}`, { commonName: name, hosts: [name, address] });
  const kubeconfig = writeKubeconfig(join(layout.dir, 'kubelet.kubeconfig'), {
    server: server.url,
    caFile: pki.ca.cert,
    client,
  });
  const config = join(layout.dir, 'kubelet.json');
  const port = await freePort();
  const settings = kubeletConfig({ address, port, healthzPort: await freePort() });
  const files = { tlsCertFile: serving.cert, tlsPrivateKeyFile: serving.key };
  const trust = {
    x509: { clientCAFile: pki.ca.cert },
    anonymous: { enabled: false },
    webhook: { enabled: true },
  };
  writeFileSync(config, JSON.stringify({ ...settings, ...files, authentication: trust }));
  const args = [
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--root-dir=${layout.kubeletDir}`,
    `--cert-dir=${join(layout.kubeletDir, 'pki')}`,
    `--hostname-override=${name}`,
    `--node-ip=${address}`,
    ...(minorOf(server.version) < 24 ? ['--container-runtime=remote'] : []),
    `--container-runtime-endpoint=unix://${layout.socket}`,
    ...featureArgs(server.version),
  ];
  const { env } = programs;
  const since = Date.now();
  const child = await startChild({
    name: 'kubelet',
    dir: layout.dir,
    command: server.assets.kubelet!,
    args,
    env,
  });
  try {
    await waitUntil(() => isReady(server, { name, port, since }), {
      what: 'the node to become ready',
      timeoutMs: READY_TIMEOUT_MS,
      everyMs: 250,
      failed: child.failure,
    });
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function kubeletConfig(where: { address: string; port: number; healthzPort: number }): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    ...where,
    healthzBindAddress: '127.0.0.1',
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    enforceNodeAllocatable: [],
    failSwapOn: false,
    // The machine belongs to a developer: its full disk is no reason to end pods, nor its packet filter ours to fill.
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    makeIPTablesUtilChains: false,
    nodeStatusUpdateFrequency: '2s',
  };
}

/** Whether this kubelet, and not the one of an earlier run, has reported the node ready. */
async function isReady(
  server: ServerFacts,
  node: { name: string; port: number; since: number },
): Promise<boolean> {
  const url = `${server.url}/api/v1/nodes/${node.name}`;
  const body = await httpsGet(url, { caFile: server.caFile, client: server.admin });
  if (!body) return false;
  const { spec, status } = JSON.parse(body) as NodeObject;
  const ready = status.conditions?.find((condition) => condition.type === 'Ready');
  // The API server writes times to the second.
  const isFresh = ready && Date.parse(ready.lastHeartbeatTime) >= Math.floor(node.since / 1000) * 1000;
  const isOurs = status.daemonEndpoints?.kubeletEndpoint.Port === node.port;
  return isOurs && isFresh === true && ready.status === 'True' && !spec.taints;
}

interface NodeObject {
  readonly spec: { readonly taints?: readonly unknown[] };
  readonly status: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastHeartbeatTime: string;
    }[];
    readonly daemonEndpoints?: { readonly kubeletEndpoint: { readonly Port: number } };
  };
}
