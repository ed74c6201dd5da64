import { Worker } from 'node:worker_threads';
import { delay } from '@postern/core';
import { startAws, until } from '@postern/testkit';
import { cpuSeconds } from './cpu.ts';
import type { FloodPlan } from './join-flooder.ts';
import { iamToken, joinersOf, type JoinRig, newJoiner, post, startJoinSvc, token } from './join-rig.ts';
import { iamKey, joinByIam, proofOf } from './joins.ts';
import { Samples } from './samples.ts';
import type { Measured } from './table.ts';

const seconds = 15;

/** How many addresses, each with so many connections that it keeps. */
interface Crowd {
  readonly addresses: number;
  readonly connectionsEach: number;
}

const crowds: readonly Crowd[] = [
  { addresses: 50, connectionsEach: 80 },
  { addresses: 1000, connectionsEach: 4 },
];

/**
 * How joins fare while bad proofs come as fast as they are answered, over thousands of connections: from few addresses, which are turned
 * away by what has failed from them, and from so many that only what they show turns them away.
 */
export async function benchJoinFlood(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const aws = scope.use(await startAws());
  const rig = await startJoinSvc(folder, scope, { stsEndpoint: aws.stsUrl });
  const good = await goodJoiner(rig, aws, scope);
  await good();
  const bodies = await badJoins(aws);
  const rows: Measured[] = [];
  for (const crowd of crowds) {
    const asked = aws.stsCalls.length;
    const { refused, cpuMs, joins } = await underFlood(rig, { crowd, bodies, good });
    rows.push(...rowsOf({ crowd, refused, cpuMs, joins, stsCalls: aws.stsCalls.length - asked }));
  }
  return rows;
}

/** One that joins by a secret token and by `iam` in turns. Answers how long each took. */
async function goodJoiner(
  rig: JoinRig,
  aws: Awaited<ReturnType<typeof startAws>>,
  scope: AsyncDisposableStack,
): Promise<() => Promise<number[]>> {
  const dispatcher = joinersOf(rig, 1);
  scope.defer(() => dispatcher.destroy());
  const key = iamKey(aws);
  return async () => {
    const byToken = JSON.stringify((await newJoiner(token)).body);
    const byIam = await newJoiner(iamToken.name, 'iam');
    return [
      await millisecondsOf(() => post({ url: `${rig.url}/v1/join`, dispatcher, reset: true }, byToken)),
      await millisecondsOf(() => joinByIam({ rig, dispatcher, key }, byIam)),
    ];
  };
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Guesses, proofs for challenges that were never given or to none, and what is no join at all. */
async function badJoins(aws: Awaited<ReturnType<typeof startAws>>): Promise<string[]> {
  const { body } = await newJoiner(iamToken.name, 'iam');
  const challenge = 'A'.repeat(72);
  const proof = proofOf(body, challenge, iamKey(aws));
  const guess = (await newJoiner('a-guess')).body;
  const bad = [guess, { ...body, challenge, proof }, guess, { ...body, proof }, { ...guess, roles: 'Kube' }];
  return bad.map((each) => JSON.stringify(each));
}

interface Flood {
  readonly crowd: Crowd;
  readonly bodies: readonly string[];
  readonly good: () => Promise<number[]>;
}

interface Flooded {
  readonly refused: Int32Array;
  /** CPU of join-svc meanwhile. */
  readonly cpuMs: number;
  readonly joins: Samples;
}

async function underFlood({ url, ca, pid }: JoinRig, { crowd, bodies, good }: Flood): Promise<Flooded> {
  const counts = new Int32Array(new SharedArrayBuffer(20));
  const workerData: FloodPlan = {
    port: Number(new URL(url).port),
    ca,
    bodies,
    ...crowd,
    answered: counts.buffer,
  };
  const flooder = new Worker(new URL('./join-flooder.ts', import.meta.url), { workerData });
  try {
    // At first each is recorded and answered a second later; what lasts is what comes when as many have failed as may.
    await until('guesses are turned away', () => counts[2]! > 2 * crowd.addresses * crowd.connectionsEach, {
      withinMs: 60_000,
    });
    const before = counts.slice();
    const cpu = cpuSeconds([pid]);
    const joins = new Samples();
    const started = performance.now();
    while (performance.now() - started < seconds * 1000) {
      for (const ms of await good()) joins.add(ms);
      await delay(50);
    }
    const elapsed = (performance.now() - started) / 1000;
    const cpuMs = ((cpuSeconds([pid]) - cpu) * 1000) / (elapsed / seconds);
    return { refused: counts.map((count, at) => ((count - before[at]!) * seconds) / elapsed), cpuMs, joins };
  } finally {
    await flooder.terminate();
  }
}

interface Result extends Flooded {
  readonly crowd: Crowd;
  readonly stsCalls: number;
}

function rowsOf({ crowd, refused, cpuMs, joins, stsCalls }: Result): Measured[] {
  const [malformed = 0, recorded = 0, turnedAway = 0, failed = 0, opened = 0] = refused;
  const total = malformed + recorded + turnedAway;
  const [perSecond, perCore] = [Math.round(total / seconds), Math.round((total * 1000) / cpuMs)];
  const each = ((cpuMs * 1000) / total).toFixed(0);
  return [
    {
      path: `bad joins from ${crowd.addresses} addresses`,
      figure: `${perSecond.toLocaleString('en')}/s refused, ${perCore.toLocaleString('en')}/s per core of join-svc (${each} µs CPU each, good joins included); ${malformed} malformed, ${recorded} recorded, ${failed} unanswered, ${opened} connections opened`,
      target: '≥ 10,000/s per core',
      met: perCore >= 10_000,
    },
    {
      path: '  good joins meanwhile',
      figure: `${joins.count}, ${joins.summary}; STS was asked ${stsCalls} times for ${joins.count / 2} good joins by iam`,
      target: 'p99 < 2,000 ms, not asked for a bad one',
      met: joins.at(0.99) < 2000 && stsCalls === joins.count / 2,
    },
  ];
}
