import { join } from 'node:path';
import { type Child, startChild } from '../process/child.ts';
import { freePort } from '../process/free-port.ts';
import { waitUntil } from '../process/wait-until.ts';
import { httpsGet } from './https-get.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { minorOf } from './kube-version.ts';
import type { ServerFacts } from './server-facts.ts';

const READY_TIMEOUT_MS = 60_000;

/** Starts kube-controller-manager and waits until the default service account, which every pod needs, is usable. */
export async function startControllerManager(server: ServerFacts): Promise<Child> {
  const { pki, dir } = server;
  const args = [
    // Its controllers all act as its own, all-powerful user: giving each a service account costs three seconds.
    ...(await controllerArgs(server, 'kube-controller-manager', 'system:masters')),
    `--root-ca-file=${pki.ca.cert}`,
    `--service-account-private-key-file=${pki.serviceAccount.privateKey}`,
    `--cluster-signing-cert-file=${pki.ca.cert}`,
    `--cluster-signing-key-file=${pki.ca.key}`,
  ];
  const command = server.assets['kube-controller-manager']!;
  const child = await startChild({ name: 'kube-controller-manager', dir, command, args });
  try {
    await waitUntil(() => hasDefaultServiceAccount(server), {
      what: 'kube-controller-manager',
      timeoutMs: READY_TIMEOUT_MS,
      everyMs: 100,
      failed: child.failure,
    });
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** The flags that the controller manager and the scheduler share. */
export async function controllerArgs(
  server: ServerFacts,
  name: string,
  organization?: string,
): Promise<string[]> {
  const { pki, dir } = server;
  const client = await pki.issue(name, { commonName: `system:${name}`, organization });
  const serving = await pki.issue(`${name}-serving`, { commonName: name, hosts: ['127.0.0.1', 'localhost'] });
  const kubeconfig = writeKubeconfig(join(dir, `${name}.kubeconfig`), {
    server: server.url,
    caFile: pki.ca.cert,
    client,
  });
  return [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--secure-port=${await freePort()}`,
    `--tls-cert-file=${serving.cert}`,
    `--tls-private-key-file=${serving.key}`,
    // Until 1.23 there is a second, plain HTTP port with a fixed number, unless it is turned off.
    ...(minorOf(server.version) < 24 ? ['--port=0'] : []),
  ];
}

async function hasDefaultServiceAccount(server: ServerFacts): Promise<boolean> {
  const path = '/api/v1/namespaces/default/serviceaccounts/default';
  const body = await httpsGet(server.url + path, { caFile: server.caFile, client: server.admin });
  if (!body) return false;
  // Until 1.23 a pod mounts the token secret of its service account and is refused before that exists.
  return minorOf(server.version) >= 24 || (JSON.parse(body) as { secrets?: unknown[] }).secrets !== undefined;
}
