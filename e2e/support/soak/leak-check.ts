import { setTimeout as delay } from 'node:timers/promises';
import { until } from '@postern/testkit';
import { type Holding, type Holdings, holdingsOf } from './processes.ts';
import type { SoakGround } from './soak-ground.ts';

/** What processes may hold more at the end than after the first load of the same size. */
const bounds = { rssFactor: 1.3, rssMegabytes: 40, handles: 12 } as const;

const quietWithinMs = 60_000;
const pauseMs = 1000;
const edges = ['kube-proxy-0', 'kube-proxy-1'];

/** Waits until nothing is under way at the edges and no process opens or closes anything any more, for a bounded time. */
export async function holdingsAtRest(ground: SoakGround): Promise<Holdings> {
  await until('no request is under way at the edges', async () => (await openRequests(ground)) === 0, {
    withinMs: quietWithinMs,
    everyMs: 200,
  });
  let before = holdingsOf(ground);
  await until(
    'processes keep what they have open',
    async () => {
      await delay(pauseMs);
      const now = holdingsOf(ground);
      const isSame = [...now].every(([name, { handles }]) => before.get(name)?.handles === handles);
      before = now;
      return isSame;
    },
    { withinMs: quietWithinMs },
  );
  return before;
}

/** Requests that are open at the edges. */
async function openRequests({ stack }: SoakGround): Promise<number> {
  const counts = await Promise.all(edges.map((name) => stack.metric(name, 'postern_kube_open_requests')));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Waits, for a bounded time, until processes have returned to what they held at first; sentences on those that have not. */
export async function leaksSince(first: Holdings, ground: SoakGround): Promise<string[]> {
  let findings: string[] = [];
  const isBack = () => {
    findings = [...holdingsOf(ground)].flatMap(([name, now]) => grown(name, first.get(name)!, now));
    return findings.length === 0;
  };
  await until('processes hold what they held at first', isBack, {
    withinMs: quietWithinMs,
    everyMs: pauseMs,
  }).catch(() => undefined);
  return findings;
}

function grown(name: string, first: Holding, now: Holding): string[] {
  const mostMegabytes = Math.round(first.rssMegabytes * bounds.rssFactor + bounds.rssMegabytes);
  const findings: string[] = [];
  if (now.rssMegabytes > mostMegabytes)
    findings.push(`${name} has ${now.rssMegabytes} MB, and had ${first.rssMegabytes} MB at first`);
  if (now.handles > first.handles + bounds.handles)
    findings.push(`${name} has ${now.handles} handles, and had ${first.handles} at first`);
  return findings;
}
