import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@postern/lab';
import type { BareProxyPlan } from './bare-proxy.ts';
import { type BenchCluster, registerBenchCluster } from './bench-cluster.ts';
import { startBenchStack } from './bench-stack.ts';
import { cpuSeconds } from './cpu.ts';
import { startFarAgent } from './far-agent.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { startNginx } from './nginx.ts';
import { inTurns, middleBy, warmUp } from './rounds.ts';
import { runLoad } from './run-load.ts';
import type { Side } from './side.ts';
import type { Measured } from './table.ts';

type Protocol = LoadPlan['protocol'];

interface Sides {
  readonly nginx: Side;
  /** A proxy on Node that decides nothing and records nothing. */
  readonly bare: Side;
  /** The edge with the kube role in the same process. */
  readonly edge: Side;
  /** The edge and an agent behind its tunnel, both processes together. */
  readonly far: Side;
}

interface Cost {
  readonly microseconds: number;
  readonly bytesPerCpuSecond: number;
  readonly result: LoadResult;
}

const small = '/api/v1/namespaces/default/pods/web-1';
const large = '/api/v1/namespaces/default/pods';
const tunnelLimit = 2;

/** CPU per request of the edge, and of edge and agent with a tunnel between them, beside nginx with mTLS on both sides. */
export async function benchDataPath(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = await startBenchStack(folder, scope);
  const cluster = await registerBenchCluster(stack, folder, scope);
  const sides = {
    nginx: await nginxBefore(cluster, folder, scope),
    bare: await bareProxyBefore(cluster, scope),
    edge: cluster.edge,
    far: await startFarAgent(stack, folder, cluster, scope),
  };
  const rows: Measured[] = [];
  for (const [protocol, limit] of [
    ['h1', 3],
    ['h2', 4],
  ] as const) {
    rows.push(...(await compareSmall(sides, protocol, limit)));
    rows.push(await compareLarge(sides, protocol));
  }
  return rows;
}

async function nginxBefore(
  { upstreamPort, server, client, caFile, direct }: BenchCluster,
  folder: string,
  scope: AsyncDisposableStack,
): Promise<Side> {
  const port = await freePort();
  const nginx = await startNginx({
    dir: join(folder, 'nginx'),
    port,
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
  scope.defer(() => nginx.stop());
  return { ...direct, origin: `https://127.0.0.1:${port}`, pids: nginx.workerPids };
}

async function bareProxyBefore(
  { server, client, caFile, direct }: BenchCluster,
  scope: AsyncDisposableStack,
): Promise<Side> {
  const plan: BareProxyPlan = {
    port: await freePort(),
    origin: direct.origin,
    certFile: server.cert,
    keyFile: server.key,
    clientCertFile: client.cert,
    clientKeyFile: client.key,
    caFile,
  };
  const program = join(import.meta.dirname, 'bare-proxy.ts');
  const proxy = spawn(process.execPath, [program, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.defer(() => void proxy.kill('SIGTERM'));
  await once(proxy.stdout, 'data');
  return { ...direct, origin: `https://127.0.0.1:${plan.port}`, pids: [proxy.pid!] };
}

async function compareSmall(sides: Sides, protocol: Protocol, limit: number): Promise<Measured[]> {
  const load = { path: small, requests: 5000 };
  const all = [sides.nginx, sides.edge, sides.far, sides.bare];
  const [nginx, edge, far, bare] = await costs(all, protocol, load);
  const ratio = edge!.microseconds / nginx!.microseconds;
  const farRatio = far!.microseconds / edge!.microseconds;
  return [
    {
      path: `GET 2 kB, ${protocol}, direct`,
      figure: `${told(edge!)} (nginx ${nginx!.microseconds.toFixed(0)}), ${ratio.toFixed(2)}×`,
      target: `≤ ${limit}× nginx`,
      met: ratio <= limit && edge!.result.failed === 0,
    },
    {
      path: `GET 2 kB, ${protocol}, a bare proxy on Node`,
      figure: `${told(bare!)}, ${(bare!.microseconds / nginx!.microseconds).toFixed(2)}× nginx; the edge is at ${(edge!.microseconds / bare!.microseconds).toFixed(2)}× this`,
    },
    {
      path: `GET 2 kB, ${protocol}, edge, tunnel and agent`,
      figure: `${told(far!)}, ${farRatio.toFixed(2)}× the direct one`,
      target: `≤ ${tunnelLimit}× direct`,
      met: farRatio <= tunnelLimit && far!.result.failed === 0,
    },
  ];
}

function told({ microseconds, result }: Cost): string {
  return `${microseconds.toFixed(0)} µs CPU${result.failed === 0 ? '' : `, ${result.failed} FAILED`}`;
}

async function compareLarge(sides: Sides, protocol: Protocol): Promise<Measured> {
  const load = { path: large, requests: 160 };
  const [nginx, edge] = await costs([sides.nginx, sides.edge], protocol, load);
  const share = edge!.bytesPerCpuSecond / nginx!.bytesPerCpuSecond;
  const rate = (cost: Cost) => (cost.bytesPerCpuSecond / 1e6).toFixed(0);
  return {
    path: `list 1 MB, ${protocol}, nothing to filter`,
    figure: `${rate(edge!)} MB per CPU-second (nginx ${rate(nginx!)}), ${(share * 100).toFixed(0)} %`,
    target: '≥ 60 % of nginx',
    met: share >= 0.6 && edge!.result.failed === 0,
  };
}

type Load = Pick<LoadPlan, 'path' | 'requests'>;

/** What each side costs once it is warm, nginx first: without its answers there is nothing to compare with. */
async function costs(sides: readonly Side[], protocol: Protocol, load: Load): Promise<Cost[]> {
  for (const side of sides) await warmUp(async () => (await cost(side, protocol, load)).microseconds);
  const measured = await inTurns(sides.map((side) => () => cost(side, protocol, load)));
  const failed = measured[0]!.reduce((sum, { result }) => sum + result.failed, 0);
  if (failed > 0) throw new Error(`nginx failed ${failed} requests: there is nothing to compare with`);
  return measured.map((ofSide) => middleBy(ofSide, ({ microseconds }) => microseconds));
}

async function cost(side: Side, protocol: Protocol, { path, requests }: Load): Promise<Cost> {
  const spread =
    protocol === 'h1' ? { connections: 16, perConnection: 1 } : { connections: 4, perConnection: 8 };
  const before = cpuSeconds(side.pids);
  const result = await runLoad({ ...side, ...spread, protocol, path: side.prefix + path, requests });
  const used = cpuSeconds(side.pids) - before;
  return { microseconds: (used / requests) * 1e6, bytesPerCpuSecond: result.bytes / used, result };
}
