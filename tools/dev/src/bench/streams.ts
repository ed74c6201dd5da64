import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type SeparateStack, until } from '@postern/testkit';
import { registerBenchCluster } from './bench-cluster.ts';
import { startBenchStack } from './bench-stack.ts';
import { cpuSeconds } from './cpu.ts';
import { createResources } from './create-resources.ts';
import { startFarAgent } from './far-agent.ts';
import { inTurns, middleBy, warmUp } from './rounds.ts';
import { runProgram } from './run-load.ts';
import { type ClientFiles, type Side, userFiles } from './side.ts';
import type { StreamPlan, StreamResult } from './stream-load.ts';
import type { Measured } from './table.ts';

const forwardedBytes = 192 * 1024 * 1024;
const sessions = 120;
const protocols = ['WebSocket', 'SPDY'] as const;

type Kind = Pick<StreamPlan, 'protocol' | 'what' | 'times' | 'atOnce'>;

/** A way to the API server. Its work is done when `settled` says so, which may be after the last stream has ended. */
interface Way {
  readonly title: string;
  readonly side: Side;
  readonly settled?: () => Promise<unknown>;
}

interface Cost extends StreamResult {
  readonly cpuSeconds: number;
}

/** What commands and forwarded ports cost the edge, and edge and agent with a tunnel between them. Each has a TLS connection of its own. */
export async function benchStreams(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = await startBenchStack(folder, scope);
  const standIn = { program: 'stream-server.ts', args: [String(forwardedBytes)] };
  const cluster = await registerBenchCluster(stack, folder, scope, standIn);
  const far = await startFarAgent(stack, folder, cluster, scope);
  const unrecorded = await personWith(stack, folder, 'off');
  const recorded = await personWith(stack, folder, 'strict');
  const spool = join(folder, 'kube-proxy-0', 'recordings');
  const ways: readonly Way[] = [
    { title: 'direct', side: { ...cluster.edge, ...unrecorded } },
    { title: 'edge, tunnel and agent', side: { ...far, ...unrecorded } },
  ];
  const recordedWay: Way = {
    title: 'direct, recorded and stored',
    side: { ...cluster.edge, ...recorded },
    settled: () =>
      until('recordings are stored', () => readdirSync(spool).length === 0, { withinMs: 60_000 }),
  };
  const rows: Measured[] = [];
  for (const protocol of protocols) {
    const exec: Kind = { protocol, what: 'exec', times: sessions, atOnce: 8 };
    rows.push(...(await measure(ways, exec, execFigure)));
    rows.push(...(await measure([recordedWay], exec, execFigure)));
  }
  for (const protocol of protocols) {
    const forward: Kind = { protocol, what: 'portforward', times: 1, atOnce: 1 };
    rows.push(...(await measure(ways, forward, forwardFigure)));
  }
  return rows;
}

/** Somebody who may do everything, with or without being recorded. */
async function personWith(
  stack: SeparateStack,
  folder: string,
  recording: 'off' | 'strict',
): Promise<ClientFiles> {
  const name = `streams-${recording}`;
  const anything = { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] };
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: ['streamers'],
    kubernetes_resources: [anything],
  };
  const options = { record_session: { default: recording } };
  await createResources(stack, folder, [
    { kind: 'role', version: 'v8', metadata: { name }, spec: { options, allow } },
    { kind: 'user', version: 'v2', metadata: { name }, spec: { roles: [name] } },
  ]);
  return userFiles(stack, folder, name);
}

async function measure(
  ways: readonly Way[],
  kind: Kind,
  figureOf: (cost: Cost) => string,
): Promise<Measured[]> {
  for (const way of ways) await warmUp(async () => (await cost(way, kind)).cpuSeconds);
  const measured = await inTurns(ways.map((way) => () => cost(way, kind)));
  return ways.map(({ title }, index) => ({
    path: `${kind.what === 'exec' ? 'exec' : 'port-forward'} over ${kind.protocol}, ${title}`,
    figure: figureOf({
      cpuSeconds: middleBy(measured[index]!, (each) => each.cpuSeconds).cpuSeconds,
      seconds: middleBy(measured[index]!, ({ seconds }) => seconds).seconds,
      bytes: measured[index]![0]!.bytes,
    }),
  }));
}

function execFigure({ seconds, cpuSeconds: cpu }: Cost): string {
  const each = (cpu / sessions) * 1000;
  return `${(sessions / seconds).toFixed(0)} sessions per second, ${each.toFixed(2)} ms CPU each`;
}

function forwardFigure({ seconds, cpuSeconds: cpu, bytes }: Cost): string {
  const perSecond = (of: number) => (bytes / 1e6 / of).toFixed(0);
  return `${perSecond(cpu)} MB per CPU-second, ${perSecond(seconds)} MB per second`;
}

async function cost({ side, settled }: Way, kind: Kind): Promise<Cost> {
  const before = cpuSeconds(side.pids);
  const result = await runProgram<StreamPlan, StreamResult>('stream-load.ts', { ...side, ...kind });
  if (kind.what === 'portforward' && result.bytes !== forwardedBytes)
    throw new Error(`${result.bytes} of ${forwardedBytes} bytes came through a forwarded port`);
  await settled?.();
  return { ...result, cpuSeconds: cpuSeconds(side.pids) - before };
}
