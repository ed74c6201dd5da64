import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from '../process/child.ts';
import { waitUntil } from '../process/wait-until.ts';
import type { Etcd } from './etcd.ts';
import { featureArgs } from './feature-args.ts';
import { httpsGet } from './https-get.ts';
import { frontProxyName, type Pki } from './pki.ts';
import type { ServerFacts } from './server-facts.ts';

const READY_TIMEOUT_MS = 90_000;

/** How long kube-apiserver has to end. On SIGTERM it waits a minute for open watches, and it keeps nothing of its own. */
export const apiServerGraceMs = 3_000;

/** What may differ from one API server to the next. */
export interface ApiServerChoices {
  readonly controllers: boolean;
  readonly auditLog: boolean;
  readonly extraArgs: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** Starts kube-apiserver over a running etcd and waits until it is ready. */
export async function startApiServerProcess(
  server: ServerFacts,
  etcd: Etcd,
  choices: ApiServerChoices,
): Promise<Child> {
  const args = [
    ...(await serverArgs(server, etcd)),
    // Without controllers no service account gets a token, and the plugin would refuse every pod for want of one.
    ...(choices.controllers ? [] : ['--disable-admission-plugins=ServiceAccount']),
    ...(choices.auditLog ? auditArgs(server) : []),
    ...choices.extraArgs,
  ];
  const child = await startChild({
    name: 'kube-apiserver',
    dir: server.dir,
    command: server.assets['kube-apiserver']!,
    args,
    graceMs: apiServerGraceMs,
  });
  try {
    const ready = () => httpsGet(`${server.url}/readyz`, { caFile: server.caFile, client: server.admin });
    await waitUntil(ready, {
      what: 'kube-apiserver',
      timeoutMs: READY_TIMEOUT_MS,
      everyMs: 100,
      failed: child.failure,
      signal: choices.signal,
    });
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function serverArgs({ port, pki, dir, version }: ServerFacts, etcd: Etcd): Promise<string[]> {
  const hosts = [
    '127.0.0.1',
    '::1',
    'localhost',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    '10.96.0.1',
  ];
  const serving = await pki.issue('kube-apiserver', { commonName: 'kube-apiserver', hosts });
  const kubelet = await pki.issue('kubelet-client', {
    commonName: 'kube-apiserver',
    organization: 'system:masters',
  });
  return [
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    // There is no kubernetes service to reach it by, and a loopback address would be refused as its endpoint.
    '--endpoint-reconciler-type=none',
    `--etcd-servers=${etcd.url}`,
    `--etcd-cafile=${pki.ca.cert}`,
    `--etcd-certfile=${etcd.client.cert}`,
    `--etcd-keyfile=${etcd.client.key}`,
    `--cert-dir=${join(dir, 'pki')}`,
    `--tls-cert-file=${serving.cert}`,
    `--tls-private-key-file=${serving.key}`,
    `--client-ca-file=${pki.ca.cert}`,
    `--service-account-key-file=${pki.serviceAccount.publicKey}`,
    `--service-account-signing-key-file=${pki.serviceAccount.privateKey}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=Node,RBAC',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--allow-privileged=true',
    `--kubelet-client-certificate=${kubelet.cert}`,
    `--kubelet-client-key=${kubelet.key}`,
    `--kubelet-certificate-authority=${pki.ca.cert}`,
    '--kubelet-preferred-address-types=InternalIP',
    ...aggregationArgs(pki),
    ...featureArgs(version),
  ];
}

/**
 * With them the API server passes requests on to servers that are registered as APIService, and tells them who asks
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/).
 */
function aggregationArgs({ frontProxy: { ca, client } }: Pki): string[] {
  return [
    `--requestheader-client-ca-file=${ca.cert}`,
    `--requestheader-allowed-names=${frontProxyName}`,
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${client.cert}`,
    `--proxy-client-key-file=${client.key}`,
  ];
}

function auditArgs({ dir, auditFile }: ServerFacts): string[] {
  const policy = join(dir, 'audit-policy.yaml');
  const rules = 'omitStages: [RequestReceived]\nrules:\n- level: Metadata\n';
  writeFileSync(policy, `apiVersion: audit.k8s.io/v1\nkind: Policy\n${rules}`);
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${auditFile}`];
}
