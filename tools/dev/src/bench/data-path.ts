import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '@postern/lab';
import type { SeparateStack } from '@postern/testkit';
import { registerBenchCluster, type Side } from './bench-cluster.ts';
import { cpuSeconds } from './cpu.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { startNginx } from './nginx.ts';
import type { Measured } from './table.ts';

const here = import.meta.dirname;

type Protocol = LoadPlan['protocol'];

interface Cost {
  readonly microseconds: number;
  readonly bytesPerCpuSecond: number;
  readonly result: LoadResult;
}

/** CPU per request of the edge with the kube role in the same process, beside nginx with mTLS on both sides. */
export async function benchDataPath(stack: SeparateStack, folder: string): Promise<Measured[]> {
  const cluster = await registerBenchCluster(stack, folder);
  const { upstreamPort, server, client, caFile } = cluster;
  const nginxPort = await freePort();
  const nginx = await startNginx({
    dir: join(folder, 'nginx'),
    port: nginxPort,
    upstream: `127.0.0.1:${upstreamPort}`,
    serverCert: server.cert,
    serverKey: server.key,
    clientCa: caFile,
    upstreamCert: client.cert,
    upstreamKey: client.key,
    upstreamCa: caFile,
    // Not the address: nginx compares this with DNS names only.
    upstreamName: 'localhost',
  });
  try {
    const peer: Side = {
      origin: `https://127.0.0.1:${nginxPort}`,
      prefix: '',
      pids: nginx.workerPids,
      servername: 'localhost',
      certFile: client.cert,
      keyFile: client.key,
      caFile,
    };
    return await compare(cluster.edge, peer);
  } finally {
    await nginx.stop();
    cluster.stop();
  }
}

interface Pair {
  readonly nginx: Cost;
  readonly ours: Cost;
}

const small = '/api/v1/namespaces/default/pods/web-1';
const large = '/api/v1/namespaces/default/pods';
const rounds = 3;

async function compare(ours: Side, nginx: Side): Promise<Measured[]> {
  const rows: Measured[] = [];
  for (const [protocol, limit] of [
    ['h1', 3],
    ['h2', 4],
  ] as const) {
    rows.push(await compareSmall({ ours, nginx, protocol, limit }));
    rows.push(await compareLarge({ ours, nginx, protocol }));
  }
  return rows;
}

interface Comparison {
  readonly ours: Side;
  readonly nginx: Side;
  readonly protocol: Protocol;
}

async function compareSmall({
  limit,
  ...comparison
}: Comparison & { readonly limit: number }): Promise<Measured> {
  const { nginx, ours } = await costs(comparison, small, 7000);
  const ratio = ours.microseconds / nginx.microseconds;
  const { p99Ms, failed } = ours.result;
  return {
    path: `GET 2 kB, ${comparison.protocol}, direct`,
    figure: `${ours.microseconds.toFixed(0)} µs CPU (nginx ${nginx.microseconds.toFixed(0)}), ${ratio.toFixed(2)}×, p99 ${p99Ms.toFixed(1)} ms, failed ${failed}`,
    target: `≤ ${limit}× nginx`,
    met: ratio <= limit && failed === 0,
  };
}

async function compareLarge(comparison: Comparison): Promise<Measured> {
  const { nginx, ours } = await costs(comparison, large, 250);
  const share = ours.bytesPerCpuSecond / nginx.bytesPerCpuSecond;
  const rate = (cost: Cost) => (cost.bytesPerCpuSecond / 1e6).toFixed(0);
  return {
    path: `list 1 MB, ${comparison.protocol}, nothing to filter`,
    figure: `${rate(ours)} MB per CPU-second (nginx ${rate(nginx)}), ${(share * 100).toFixed(0)} %`,
    target: '≥ 60 % of nginx',
    met: share >= 0.6 && ours.result.failed === 0,
  };
}

/** In turns, so that what else the machine does falls on both; of each side the round in the middle counts. */
async function costs({ ours, nginx, protocol }: Comparison, path: string, requests: number): Promise<Pair> {
  for (const side of [nginx, ours]) await cost(side, protocol, { path, requests: requests / 5 });
  const pairs: Pair[] = [];
  while (pairs.length < rounds) {
    const theirs = await cost(nginx, protocol, { path, requests });
    if (theirs.result.failed > 0)
      throw new Error(
        `nginx failed ${theirs.result.failed} of ${requests} requests: there is nothing to compare with`,
      );
    pairs.push({ nginx: theirs, ours: await cost(ours, protocol, { path, requests }) });
  }
  return { nginx: middle(pairs.map((pair) => pair.nginx)), ours: middle(pairs.map((pair) => pair.ours)) };
}

function middle(costs: readonly Cost[]): Cost {
  return costs.toSorted((a, b) => a.microseconds - b.microseconds)[Math.floor(costs.length / 2)]!;
}

async function cost(
  side: Side,
  protocol: Protocol,
  { path, requests }: Pick<LoadPlan, 'path' | 'requests'>,
): Promise<Cost> {
  const spread =
    protocol === 'h1' ? { connections: 16, perConnection: 1 } : { connections: 4, perConnection: 8 };
  const before = cpuSeconds(side.pids);
  const result = await load({ ...side, ...spread, protocol, path: side.prefix + path, requests });
  const used = cpuSeconds(side.pids) - before;
  return { microseconds: (used / requests) * 1e6, bytesPerCpuSecond: result.bytes / used, result };
}

function load(plan: LoadPlan): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(here, 'load.ts'), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(JSON.parse(text) as LoadResult));
  });
}
