import type { StreamInfo } from '@nats-io/jetstream';
import { delay, messageOf } from '@postern/core';
import type { Bus } from './bus.ts';
import { factLanes } from './fact-lanes.ts';
import { type LeaderMove, leaderMoves, type LedStream } from './leader-moves.ts';

const everyMs = 500;
const answerMs = 2000;

/**
 * Sees to it that the streams of facts are led by servers of their own, for as long as it is open: whoever is killed leaves its
 * leaders to the others, and has none when it comes back. Only for join-svc, which alone may move them; two replicas of it that
 * do the same at once are told so by the server.
 */
export function spreadFactLeaders(bus: Bus): AsyncDisposable {
  const ended = new AbortController();
  const running = run(bus, ended.signal);
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await running;
    },
  };
}

async function run(bus: Bus, signal: AbortSignal): Promise<void> {
  const log = bus.connection.telemetry?.log;
  while (!signal.aborted) {
    await delay(everyMs * (0.5 + Math.random()), signal).catch(() => {});
    if (signal.aborted || !bus.isConnected) continue;
    try {
      const states = await Promise.all(factLanes.map(({ stream }) => stateOf(bus, stream)));
      for (const move of leaderMoves(states.filter((state) => state !== undefined))) {
        await moveLeader(bus, move);
        log?.info('a stream of facts is led by another server', { ...move });
      }
    } catch (error) {
      log?.debug('the leaders of facts could not be looked after', { error: messageOf(error) });
    }
  }
}

/** Nothing while it has no leader: whoever will be elected is seen the next time. */
async function stateOf(bus: Bus, name: string): Promise<LedStream | undefined> {
  const { connection } = bus;
  const manager = await connection.manager();
  const info = await connection.answered(name, () => manager.streams.info(name)).catch(() => undefined);
  const { leader, replicas = [] } = info?.cluster ?? {};
  return leader ? { name, leader, ready: replicas.filter(isReady).map((peer) => peer.name) } : undefined;
}

type Peer = NonNullable<NonNullable<StreamInfo['cluster']>['replicas']>[number];

function isReady({ current, offline }: Peer): boolean {
  return current && !offline;
}

/** Asks its leader to let another lead; the right is for these streams alone. */
async function moveLeader({ connection }: Bus, { stream, to }: LeaderMove): Promise<void> {
  const body = JSON.stringify({ placement: { preferred: to } });
  const subject = `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`;
  const answer = await connection.answered(stream, () =>
    connection.nats.request(subject, body, { timeout: answerMs }),
  );
  const { error } = answer.json<{ error?: { description?: string } }>();
  if (error) throw new Error(`${stream} stays where it is: ${error.description ?? 'refused'}`);
}
