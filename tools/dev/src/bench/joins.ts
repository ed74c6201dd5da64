import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createUserKey } from '@postern/bus';
import { delay, uuidv7 } from '@postern/core';
import { generateKeyPair, makeCsr } from '@postern/identity';
import { until } from '@postern/testkit';
import { Agent, request } from 'undici';
import { cpuSeconds } from './cpu.ts';
import type { FloodPlan } from './join-flooder.ts';
import type { JoinProcessPlan } from './join-process.ts';
import { middleBy, warmUp } from './rounds.ts';
import { Samples } from './samples.ts';
import { startServers } from './servers.ts';
import type { Measured } from './table.ts';

const token = 'a-token-of-the-bench-0123456789ab';
const atOnce = 16;
const joinsOfARound = 200;
const floodSeconds = 15;
const floodAddresses = 50;

interface Joined {
  readonly url: string;
  readonly ca: string;
  readonly pid: number;
  readonly dispatcher: Agent;
}

/** What a join by token costs join-svc: a TLS connection of its own, the record, the certificate and the credential of the bus. */
export async function benchJoins(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const service = await startJoinSvc(folder, scope);
  const round = () => joinMany(service, joinsOfARound);
  await warmUp(async () => (await round()).cpuMs);
  const rounds = [await round(), await round(), await round()];
  const { cpuMs, times } = middleBy(rounds, (each) => each.cpuMs);
  const perCore = 1000 / cpuMs;
  return [
    {
      path: `token joins, ${atOnce} at once`,
      figure: `${Math.round(perCore).toLocaleString('en')}/s per core of join-svc (${cpuMs.toFixed(2)} ms CPU each), ${times.summary}`,
      target: '≥ 1,000/s per core',
      met: perCore >= 1000,
    },
  ];
}

/** How joins fare while guesses come from many addresses as fast as they are answered. */
export async function benchJoinFlood(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const service = await startJoinSvc(folder, scope);
  await joinMany(service, joinsOfARound);
  const counts = new Int32Array(new SharedArrayBuffer(12));
  const plan: FloodPlan = {
    url: `${service.url}/v1/join`,
    ca: service.ca,
    body: JSON.stringify(await joinBody('a-guess')),
    addresses: floodAddresses,
    answered: counts.buffer,
  };
  const flooder = new Worker(new URL('./join-flooder.ts', import.meta.url), { workerData: plan });
  scope.defer(async () => void (await flooder.terminate()));
  // At first each is recorded and answered a second later; what lasts is what comes when as many have failed as may.
  await until('guesses are turned away', () => counts[1]! > 0, { withinMs: 60_000 });
  counts.fill(0);
  const times = new Samples();
  const started = performance.now();
  while (performance.now() - started < floodSeconds * 1000) {
    const body = JSON.stringify(await joinBody(token));
    times.add(await joinOnce(service, body));
    await delay(50);
  }
  const seconds = (performance.now() - started) / 1000;
  const [recorded = 0, turnedAway = 0, failed = 0] = counts;
  const perSecond = (recorded + turnedAway) / seconds;
  const p99Ms = times.at(0.99);
  return [
    {
      path: `guesses from ${floodAddresses} addresses`,
      figure: `${Math.round(perSecond).toLocaleString('en')}/s refused, ${recorded} of them recorded, ${failed} unanswered`,
      target: '≥ 10,000/s',
      met: perSecond >= 10_000,
    },
    {
      path: 'good joins meanwhile',
      figure: `${times.count}, ${times.summary}`,
      target: 'p99 < 2,000 ms',
      met: p99Ms < 2000,
    },
  ];
}

async function startJoinSvc(folder: string, scope: AsyncDisposableStack): Promise<Joined> {
  const servers = await startServers(folder, scope);
  const { postgresUrl, natsUrl } = servers;
  const dataDir = join(folder, 'join-svc');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const plan: JoinProcessPlan = { postgresUrl, natsUrl, dataDir, token };
  const log = openSync(join(folder, 'join-svc.log'), 'a');
  scope.defer(() => closeSync(log));
  const start = (file: string, told: object): ChildProcess => {
    const stdio = ['ignore', log, log, 'ipc'] as const;
    const child = fork(join(import.meta.dirname, file), [JSON.stringify(told)], { stdio: [...stdio] });
    scope.defer(() => ended(child));
    return child;
  };
  // Without it nobody knows which tokens there are.
  await ready(start('resource-process.ts', servers));
  const child = start('join-process.ts', plan);
  const { url, ca } = await ready(child);
  // Each join comes over a connection of its own, as those of agents do, and none is resumed.
  const dispatcher = new Agent({ connections: atOnce, maxCachedSessions: 0, connect: { ca } });
  scope.defer(() => dispatcher.destroy());
  return { url, ca, pid: child.pid!, dispatcher };
}

function ready(child: ChildProcess): Promise<Pick<Joined, 'url' | 'ca'>> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a service ended with ${code}`)));
    child.once('message', (message) => resolve(message as Pick<Joined, 'url' | 'ca'>));
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

interface Round {
  /** CPU of join-svc for each join. */
  readonly cpuMs: number;
  readonly times: Samples;
}

async function joinMany(service: Joined, count: number): Promise<Round> {
  const bodies: string[] = [];
  while (bodies.length < count) bodies.push(JSON.stringify(await joinBody(token)));
  const times = new Samples();
  const before = cpuSeconds([service.pid]);
  const joinNext = async () => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop())
      times.add(await joinOnce(service, body));
  };
  await Promise.all(Array.from({ length: atOnce }, joinNext));
  return { cpuMs: ((cpuSeconds([service.pid]) - before) * 1000) / count, times };
}

async function joinOnce({ url, dispatcher }: Joined, body: string): Promise<number> {
  const started = performance.now();
  const headers = { 'content-type': 'application/json' };
  const reply = await request(`${url}/v1/join`, { dispatcher, method: 'POST', headers, body, reset: true });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`a join was answered ${reply.statusCode}: ${text}`);
  return performance.now() - started;
}

async function joinBody(name: string): Promise<object> {
  const { privateKey } = await generateKeyPair();
  return {
    method: 'token',
    token: name,
    roles: ['Kube'],
    hostname: 'bench',
    joinId: uuidv7(),
    busKey: createUserKey().publicKey,
    csr: await makeCsr(privateKey),
  };
}
