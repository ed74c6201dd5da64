import { mkdirSync } from 'node:fs';
import type { SeparateStack } from '@postern/testkit';
import { registerBenchCluster } from './bench-cluster.ts';
import { startBenchStack } from './bench-stack.ts';
import { startFarAgent } from './far-agent.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { inTurns, middleBy, warmUp } from './rounds.ts';
import { runLoad } from './run-load.ts';
import { Samples } from './samples.ts';
import type { Side } from './side.ts';
import type { Measured } from './table.ts';

const path = '/api/v1/namespaces/default/pods/web-1';

const credentials = 25;
const credentialLimitMs = 100;

type Pace = Pick<LoadPlan, 'connections' | 'perConnection' | 'requests' | 'perSecond' | 'uncounted'>;

const paces: readonly (readonly [string, Pace])[] = [
  ['one at a time', { connections: 1, perConnection: 1, requests: 2500, uncounted: 500 }],
  ['250 a second', { connections: 8, perConnection: 1, requests: 1000, perSecond: 250, uncounted: 250 }],
];

/** How long a GET over HTTP/2 takes that goes to the API server itself, through the edge, and through edge, tunnel and agent. */
export async function benchLatency(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = await startBenchStack(folder, scope);
  const cluster = await registerBenchCluster(stack, folder, scope);
  const far = await startFarAgent(stack, folder, cluster, scope);
  const ways: readonly Way[] = [
    { title: 'to the API server', side: cluster.direct },
    { title: 'through the edge', side: cluster.edge },
    { title: 'through edge, tunnel and agent', side: far },
  ];
  for (const { side } of ways) await warmUp(async () => (await ask(side, paces[0]![1])).p50Ms);
  const rows: Measured[] = [];
  for (const [title, pace] of paces) rows.push(...(await compare(ways, title, pace)));
  return [...rows, await credential(stack)];
}

/** What kubectl waits for before it connects. */
async function credential({ admin }: SeparateStack): Promise<Measured> {
  const ask = () =>
    admin.must('tsh', ['kube', 'credentials', '--kube-cluster=bench', '--teleport-cluster=postern']);
  // The first one is fetched.
  await ask();
  const times = new Samples();
  for (let count = 0; count < credentials; count += 1) {
    const began = performance.now();
    await ask();
    times.add(performance.now() - began);
  }
  return {
    path: 'tsh kube credentials, from its cache',
    figure: times.summary,
    target: `p50 ≤ ${credentialLimitMs} ms`,
    met: times.at(0.5) <= credentialLimitMs,
  };
}

interface Way {
  readonly title: string;
  readonly side: Side;
}

/** The first way is that of which the others differ. */
async function compare(ways: readonly Way[], paceTitle: string, pace: Pace): Promise<Measured[]> {
  const measured = await inTurns(
    ways.map(
      ({ side }) =>
        () =>
          ask(side, pace),
    ),
  );
  const times = measured.map((results) => ({
    p50: middleBy(results, ({ p50Ms }) => p50Ms).p50Ms,
    p99: middleBy(results, ({ p99Ms }) => p99Ms).p99Ms,
  }));
  const [direct] = times;
  return ways.map(({ title }, index) => {
    const { p50, p99 } = times[index]!;
    const more = (of: number, than: number) => (index === 0 ? '' : ` (${(of - than).toFixed(2)} more)`);
    return {
      path: `GET 2 kB, h2, ${paceTitle}, ${title}`,
      figure: `p50 ${p50.toFixed(2)} ms${more(p50, direct!.p50)}, p99 ${p99.toFixed(2)} ms${more(p99, direct!.p99)}`,
    };
  });
}

async function ask(side: Side, pace: Pace): Promise<LoadResult> {
  const result = await runLoad({ ...side, ...pace, protocol: 'h2', path: side.prefix + path });
  if (result.failed > 0) throw new Error(`${result.failed} of ${pace.requests} requests failed`);
  return result;
}
