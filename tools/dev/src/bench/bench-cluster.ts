import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateIdentity, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import { freePort, openPki, type Pki, writeKubeconfig } from '@postern/lab';
import { type SeparateStack, until } from '@postern/testkit';

const here = import.meta.dirname;

/** An address under load, and the processes that serve it. */
export interface Side {
  readonly origin: string;
  readonly prefix: string;
  readonly pids: readonly number[];
  readonly servername: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

type Files = Awaited<ReturnType<Pki['issue']>>;

/** A stand-in for an API server, registered as cluster `bench`. */
export interface BenchCluster {
  /** It through the edge, as the admin. */
  readonly edge: Side;
  readonly upstreamPort: number;
  /** Files of the certificates it shows and accepts. */
  readonly server: Files;
  readonly client: Files;
  readonly caFile: string;
  stop(): void;
}

/** Starts the stand-in and waits until the edge serves it. */
export async function registerBenchCluster(stack: SeparateStack, folder: string): Promise<BenchCluster> {
  const pki = await openPki(join(folder, 'bench-pki'));
  const server = await pki.issue('upstream', { commonName: 'upstream', hosts: ['127.0.0.1', 'localhost'] });
  const client = await pki.issue('client', { commonName: 'client' });
  const upstreamPort = await freePort();
  const upstream = spawn(
    process.execPath,
    [join(here, 'upstream.ts'), String(upstreamPort), server.cert, server.key, pki.ca.cert],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const stop = () => void upstream.kill('SIGTERM');
  try {
    await new Promise((resolve) => upstream.stdout.once('data', resolve));
    const caFile = pki.ca.cert;
    const kubeconfig = writeKubeconfig(join(folder, 'bench.kubeconfig'), {
      server: `https://127.0.0.1:${upstreamPort}`,
      caFile,
      client,
    });
    const edge = await edgeSide(stack, folder, kubeconfig);
    return { edge, upstreamPort, server, client, caFile, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

async function edgeSide(stack: SeparateStack, folder: string, kubeconfig: string): Promise<Side> {
  const file = join(folder, 'bench-cluster.yaml');
  const encoded = readFileSync(kubeconfig).toString('base64');
  writeFileSync(
    file,
    `kind: kube_cluster\nversion: v3\nmetadata:\n  name: bench\n  labels:\n    postern.dev/agent: local\nspec:\n  kubeconfig: ${encoded}\n`,
  );
  await stack.admin.must('tctl', ['create', '-f', file]);
  await until('bench is served', async () =>
    (await stack.admin.must('tsh', ['kube', 'ls'])).includes('bench'),
  );
  const identity = await openIdentity(
    locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: folder }),
    systemClock,
  );
  const files = {
    certFile: join(folder, 'admin.crt'),
    keyFile: join(folder, 'admin.key'),
    caFile: join(folder, 'edge-ca.crt'),
  };
  writeFileSync(files.certFile, identity.certificate, { mode: 0o600 });
  writeFileSync(files.keyFile, identity.key, { mode: 0o600 });
  writeFileSync(files.caFile, identity.caPem);
  const name = (text: string) => Buffer.from(text).toString('base64url');
  return {
    origin: `https://${stack.proxyAddrs[0]}`,
    prefix: `/v1/teleport/${name('postern')}/${name('bench')}`,
    pids: [stack.process('kube-proxy', 0).pid],
    servername: 'localhost',
    ...files,
  };
}
