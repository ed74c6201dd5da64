import { delay } from '@postern/core';
import { type AwsRig, fixedClock, type IssuedKey, sessionOf, startAws, until } from '@postern/testkit';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  call,
  type ControlPlane,
  joinBody,
  type JoinBody,
  putToken,
  type Replica,
  startControlPlane,
} from '../control-plane.ts';
import { iamRequest } from './signer.ts';

let plane: ControlPlane;
let replica: Replica;
let aws: AwsRig;
let node: IssuedKey;

const account = '333333333333';
const failedJoins = 200;

beforeAll(async () => {
  aws = await startAws();
  plane = await startControlPlane();
  const spec = { roles: ['Kube'], join_method: 'iam', allow: [{ aws_account: account }] };
  await putToken(plane.views, 'iam-token', spec);
  // Nothing is forgiven while this clock stands still.
  const clock = fixedClock(new Date().toISOString());
  replica = await plane.replica({ stsEndpoint: aws.stsUrl, refusalAfterMs: 20, failedJoins, clock });
  const role = { arn: `arn:aws:iam::${account}:role/node`, id: 'AROAEXAMPLEROLE00001' };
  node = aws.accounts.issueKey(sessionOf(role, 'i-1'), { isTemporary: true });
});
afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

interface Flood {
  readonly statuses: number[];
  stop(): Promise<void>;
}

/** Sends these over and over, from addresses of its own, until it is stopped. */
function flood(bodies: readonly object[], addresses: readonly string[]): Flood {
  const flow = { isOn: true };
  const statuses: number[] = [];
  const texts = bodies.map((body) => JSON.stringify(body));
  const url = new URL('/v1/join', replica.url);
  const headers = { 'content-type': 'application/json' };
  const floods = addresses.map(async (localAddress) => {
    await using scope = new AsyncDisposableStack();
    const dispatcher = scope.adopt(
      new Agent({ connections: 2, localAddress, connect: { ca: replica.ca } }),
      (agent) => agent.close(),
    );
    const send = async (body: string) => {
      const reply = await request(url, { dispatcher, method: 'POST', headers, body });
      await reply.body.dump();
      statuses.push(reply.statusCode);
      // Server, clients and the test are one process: who is turned away lets the others go first.
      if (reply.statusCode === 429) await delay(20);
    };
    while (flow.isOn) await Promise.all(texts.map(send));
  });
  return {
    statuses,
    stop: async () => {
      flow.isOn = false;
      await Promise.all(floods);
    },
  };
}

async function badProofs(): Promise<object[]> {
  const good = () => iamRequest(replica, node);
  const [one, two] = [await good(), await good()];
  return [
    { ...one, challenge: 'A'.repeat(one.challenge.length) },
    { ...one, challenge: two.challenge },
    { ...two, token: 'no-such-token' },
    await joinBody({ token: 'a-guess' }),
  ];
}

test('good joins pass while bad proofs from many addresses are turned away, and AWS hears of the good ones only (J-12, I-16)', async () => {
  // Each of these may fail as often as all together may.
  const addresses = Array.from({ length: 12 }, (_, at) => `127.0.9.${at + 1}`);
  const bad = await badProofs();
  const running = flood(bad, addresses);
  try {
    const refused = () => running.statuses.filter((status) => status === 403).length;
    await until('as many guesses have failed as may', () => refused() === failedJoins, { withinMs: 60_000 });
    const joins: JoinBody[] = [];
    for (let times = 0; times < 3; times += 1) joins.push(await joinBody(), await iamRequest(replica, node));
    const before = running.statuses.length;
    for (const body of joins) expect((await call(replica, '/v1/join', { body })).status).toBe(200);
    expect(running.statuses.length).toBeGreaterThan(before);
    expect(aws.stsCalls).toHaveLength(3);
  } finally {
    await running.stop();
  }
  expect(new Set(running.statuses)).toEqual(new Set([403, 429]));
}, 90_000);
