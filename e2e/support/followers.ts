import { join } from 'node:path';
import { type JoinedProcess, joinProcess, startHeartbeat } from '@postern/agent';
import { systemClock as clock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import type { SeparateStack } from '@postern/testkit';

/** Many agents in this process, each with an identity, a bus connection and heartbeats of its own. */
export interface Followers extends AsyncDisposable {
  readonly processes: readonly JoinedProcess[];
}

const atOnce = 8;

/** Joins as many agents as that, through all edges. */
export async function joinFollowers(stack: SeparateStack, count: number, token: string): Promise<Followers> {
  const scope = new AsyncDisposableStack();
  const processes: JoinedProcess[] = [];
  const telemetry = silentTelemetry();
  const urls = stack.proxyAddrs.map((address) => `https://${address}`);
  let left = count;
  const joinNext = async () => {
    while (left > 0) {
      left -= 1;
      const joined = await joinProcess({
        joinUrls: left % 2 === 0 ? urls : urls.toReversed(),
        trust: { caFile: join(stack.dataDir, 'ca.pem') },
        token,
        roles: ['Kube'],
        busServers: stack.busServers,
        hostname: `follower-${left}`,
        telemetry,
        clock,
      });
      scope.use(joined);
      const { bus, identity } = joined;
      scope.use(
        startHeartbeat({
          bus,
          identity,
          hostname: 'follower',
          services: ['Kube'],
          intervalMs: 5_000,
          telemetry,
          clock,
        }),
      );
      processes.push(joined);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, joinNext));
  return { processes, [Symbol.asyncDispose]: () => scope.disposeAsync() };
}
