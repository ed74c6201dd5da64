import { callerIdentity, type JoinRequest, joinRequestDigest } from '@postern/contracts';
import { keyFingerprint } from '@postern/identity';
import { type AwsRig, type IssuedKey, sessionOf, signRequest, startAws } from '@postern/testkit';
import type { Agent } from 'undici';
import { cpuSeconds } from './cpu.ts';
import {
  each,
  iamToken,
  joinersOf,
  type JoinBody,
  type JoinRig,
  newJoiner,
  post,
  startJoinSvc,
  token,
} from './join-rig.ts';
import { middleBy, warmUp } from './rounds.ts';
import { Samples } from './samples.ts';
import type { Measured } from './table.ts';

const atOnce = 16;
const joinsOfARound = 400;
const stsAnswersAfterMs = 20;
const sts = 'sts.eu-west-1.amazonaws.com';

/**
 * What a join costs join-svc: the record, the certificate and the credential of the bus. Agents behind an edge come over connections
 * that the edge keeps, others each over one of its own; what such a connection alone costs is measured as well.
 */
export async function benchJoins(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const aws = scope.use(await startAws());
  const rig = await startJoinSvc(folder, scope, { stsEndpoint: aws.stsUrl });
  const dispatcher = joinersOf(rig, atOnce);
  scope.defer(() => dispatcher.destroy());
  const kept = await measured(() => joinByToken(rig, dispatcher, false));
  const own = await measured(() => joinByToken(rig, dispatcher, true));
  const connection = await measured(() => askForChallenge(rig, dispatcher));
  return [
    tokenRow('token joins, over connections that are kept', kept),
    tokenRow('token joins, each over a TLS connection of its own', own),
    {
      path: 'such a connection alone, with a small answer',
      figure: `${connection.cpuMs.toFixed(2)} ms CPU of join-svc`,
    },
    ...(await iamRows(rig, aws, scope)),
  ];
}

function tokenRow(path: string, { cpuMs, times }: Round): Measured {
  const perCore = Math.round(1000 / cpuMs);
  return {
    path: `${path}, ${atOnce} at once`,
    figure: `${perCore.toLocaleString('en')}/s per core of join-svc (${cpuMs.toFixed(2)} ms CPU each), ${times.summary}`,
    target: '≥ 1,000/s per core',
    met: perCore >= 1000,
  };
}

interface Round {
  /** CPU of join-svc for each join. */
  readonly cpuMs: number;
  readonly times: Samples;
  readonly seconds: number;
}

async function measured(round: () => Promise<Round>): Promise<Round> {
  await warmUp(async () => (await round()).cpuMs);
  return middleBy([await round(), await round(), await round()], ({ cpuMs }) => cpuMs);
}

async function timed<T>(
  rig: JoinRig,
  things: readonly T[],
  act: (thing: T) => Promise<void>,
): Promise<Round> {
  const times = new Samples();
  const [before, started] = [cpuSeconds([rig.pid]), performance.now()];
  await each(things, atOnce, async (thing) => {
    const began = performance.now();
    await act(thing);
    times.add(performance.now() - began);
  });
  const seconds = (performance.now() - started) / 1000;
  return { cpuMs: ((cpuSeconds([rig.pid]) - before) * 1000) / things.length, times, seconds };
}

async function joinByToken(rig: JoinRig, dispatcher: Agent, reset: boolean): Promise<Round> {
  const bodies: string[] = [];
  while (bodies.length < joinsOfARound) bodies.push(JSON.stringify((await newJoiner(token)).body));
  const posting = { url: `${rig.url}/v1/join`, dispatcher, reset };
  return timed(rig, bodies, async (body) => void (await post(posting, body)));
}

/** The cheapest request there is whose answer is of use, each over a connection of its own. */
async function askForChallenge(rig: JoinRig, dispatcher: Agent): Promise<Round> {
  const body = JSON.stringify({ method: 'iam', key: '0'.repeat(64) });
  const posting = { url: `${rig.url}/v1/join/challenge`, dispatcher, reset: true };
  return timed(
    rig,
    Array.from({ length: joinsOfARound }, () => body),
    async (each) => void (await post(posting, each)),
  );
}

/** Joins by `iam` from several addresses, as many at once as an STS that takes its time is asked. */
async function iamRows(rig: JoinRig, aws: AwsRig, scope: AsyncDisposableStack): Promise<Measured[]> {
  const headers = { 'content-type': 'application/json' };
  aws.always = (response, text) =>
    void setTimeout(() => response.writeHead(200, headers).end(text), stsAnswersAfterMs);
  const key = iamKey(aws);
  const dispatchers = ['127.0.9.1', '127.0.9.2', '127.0.9.3', '127.0.9.4'].map((address) =>
    joinersOf(rig, atOnce / 4, address),
  );
  scope.defer(async () => void (await Promise.all(dispatchers.map((each) => each.destroy()))));
  let joined = 0;
  const round = async () => {
    const joiners = [];
    while (joiners.length < joinsOfARound) joiners.push(await newJoiner(iamToken.name, 'iam'));
    return timed(rig, joiners, async (joiner) => {
      const dispatcher = dispatchers[(joined += 1) % dispatchers.length]!;
      await joinByIam({ rig, dispatcher, key }, joiner);
    });
  };
  await round();
  const { cpuMs, times, seconds } = await round();
  const perSecond = joinsOfARound / seconds;
  return [
    {
      path: `iam joins, STS answers after ${stsAnswersAfterMs} ms, challenge included`,
      figure: `${Math.round(perSecond)}/s (${cpuMs.toFixed(2)} ms CPU of join-svc each), ${times.summary}; STS was asked ${aws.stsCalls.length} times for ${joined} joins`,
      target: '≥ 200/s',
      met: perSecond >= 200,
    },
  ];
}

/** A key of a role's session in the account that the token admits. */
export function iamKey(aws: AwsRig): IssuedKey {
  const role = { arn: `arn:aws:iam::${iamToken.account}:role/node`, id: 'AROAEXAMPLEROLE00001' };
  return aws.accounts.issueKey(sessionOf(role, 'i-1'), { isTemporary: true });
}

interface IamJoining {
  readonly rig: JoinRig;
  readonly dispatcher: Agent;
  readonly key: IssuedKey;
}

/** A whole join by `iam`: the challenge, the signature, the join. */
export async function joinByIam(
  { rig, dispatcher, key }: IamJoining,
  { body, publicKey }: { readonly body: JoinBody; readonly publicKey: string },
): Promise<void> {
  const asked = JSON.stringify({ method: 'iam', key: keyFingerprint(publicKey) });
  const answer = await post({ url: `${rig.url}/v1/join/challenge`, dispatcher }, asked);
  const { challenge } = JSON.parse(answer) as { readonly challenge: string };
  const proof = proofOf(body, challenge, key);
  await post({ url: `${rig.url}/v1/join`, dispatcher }, JSON.stringify({ ...body, challenge, proof }));
}

/** The signed request that answers to a challenge. */
export function proofOf(body: JoinBody, challenge: string, key: IssuedKey): object {
  const { method, body: signedBody, accept, contentType, challengeHeader, requestHeader } = callerIdentity;
  const unsigned = {
    method,
    target: '/',
    body: signedBody,
    headers: {
      accept,
      'content-type': contentType,
      host: sts,
      [challengeHeader]: challenge,
      [requestHeader]: joinRequestDigest(body as unknown as JoinRequest),
    },
  };
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const { headers } = signRequest(unsigned, { key, date, region: 'eu-west-1' });
  return { method, url: `https://${sts}/`, headers: Object.entries(headers), body: signedBody };
}
