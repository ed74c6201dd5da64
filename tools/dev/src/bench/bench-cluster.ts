import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePort, openPki, type Pki, writeKubeconfig } from '@postern/lab';
import type { SeparateStack } from '@postern/testkit';
import { createCluster } from './create-resources.ts';
import { adminFiles, prefixOf, type Side } from './side.ts';

type Files = Awaited<ReturnType<Pki['issue']>>;

/** A stand-in for an API server, registered as cluster `bench`. */
export interface BenchCluster {
  /** It through the edge, whose process has its credentials, as the admin. */
  readonly edge: Side;
  /** It without anything in between, as the client that agents are. */
  readonly direct: Side;
  readonly upstreamPort: number;
  /** Says where and how it is reached. */
  readonly kubeconfig: string;
  /** Files of the certificates it shows and accepts. */
  readonly server: Files;
  readonly client: Files;
  readonly caFile: string;
}

/** A program of this folder that stands in for an API server, with its arguments behind port and certificates. */
export interface StandIn {
  readonly program: string;
  readonly args?: readonly string[];
}

/** Starts a stand-in and waits until the edge serves it. It ends with the scope. */
export async function registerBenchCluster(
  stack: SeparateStack,
  folder: string,
  scope: AsyncDisposableStack,
  { program, args = [] }: StandIn = { program: 'upstream.ts' },
): Promise<BenchCluster> {
  const pki = await openPki(join(folder, 'bench-pki'));
  const server = await pki.issue('upstream', { commonName: 'upstream', hosts: ['127.0.0.1', 'localhost'] });
  const client = await pki.issue('client', { commonName: 'client' });
  const upstreamPort = await freePort();
  const caFile = pki.ca.cert;
  const upstream = spawn(
    process.execPath,
    [join(import.meta.dirname, program), String(upstreamPort), server.cert, server.key, caFile, ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  scope.defer(() => void upstream.kill('SIGTERM'));
  await new Promise((resolve) => upstream.stdout.once('data', resolve));
  const url = `https://127.0.0.1:${upstreamPort}`;
  const kubeconfig = writeKubeconfig(join(folder, 'bench.kubeconfig'), { server: url, caFile, client });
  await createCluster(stack, folder, {
    name: 'bench',
    labels: { 'postern.dev/agent': 'local' },
    kubeconfig,
  });
  const edge: Side = {
    origin: `https://${stack.proxyAddrs[0]}`,
    prefix: prefixOf('bench'),
    pids: [stack.process('kube-proxy', 0).pid],
    servername: 'localhost',
    ...(await adminFiles(stack, folder)),
  };
  const files = { certFile: client.cert, keyFile: client.key, caFile };
  const direct: Side = { origin: url, prefix: '', pids: [upstream.pid!], servername: 'localhost', ...files };
  return { edge, direct, upstreamPort, kubeconfig, server, client, caFile };
}
