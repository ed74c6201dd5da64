import { stsHostNamed } from '@postern/aws';
import { silentTelemetry } from '@postern/telemetry';
import {
  type AwsRig,
  fixedClock,
  type Misbehaviour,
  misbehaviours,
  sessionOf,
  startAws,
  until,
} from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openSts, type Sts } from '../../src/methods/iam/ask-sts.ts';
import { readCaller } from '../../src/methods/iam/caller.ts';
import { readSignedRequest, type SignedRequest } from '../../src/methods/iam/signed-request.ts';
import { host, signedProof } from './signer.ts';

let aws: AwsRig;
let sts: Sts;
let impatient: Sts;
const opened = new AsyncDisposableStack();
const clock = fixedClock(new Date().toISOString());
const expected = { challenge: 'c'.repeat(72), request: 'b'.repeat(64) };
const role = { arn: 'arn:aws:iam::333333333333:role/node', id: 'AROAEXAMPLEROLE00001' };

beforeAll(async () => {
  aws = await startAws();
});
beforeEach(() => {
  sts = opened.use(openSts({ clock, telemetry: silentTelemetry(), endpoint: aws.stsUrl }));
  impatient = opened.use(
    openSts({ clock, telemetry: silentTelemetry(), endpoint: aws.stsUrl, timeoutMs: 300 }),
  );
  aws.next.splice(0);
  aws.stsCalls.splice(0);
  aws.always = undefined;
});
afterAll(async () => {
  await opened.disposeAsync();
  await aws[Symbol.asyncDispose]();
});

async function verify(sourceIp = '192.0.2.1', name = host, by = sts): Promise<string> {
  const key = aws.accounts.issueKey(sessionOf(role, 'i-1'), { isTemporary: true });
  const region = stsHostNamed(name)!.region;
  const proof = signedProof(key, expected, { host: name, region }) as unknown as SignedRequest;
  const facts = readSignedRequest(proof, { ...expected, at: new Date(), isFipsOnly: false });
  return readCaller(await by.ask(facts, { ...expected, sourceIp }), 'aws').arn;
}

const outcomeOf = (attempt: Promise<string>) =>
  attempt.then(
    () => 'admitted',
    (error: Error) => error.message,
  );

describe('nobody is admitted when STS', () => {
  test.each([
    ['redirects by 302 (I-09)', 'redirects by 302'],
    ['redirects by 307 (I-09)', 'redirects by 307'],
    ['redirects by 308 (I-09)', 'redirects by 308'],
    ['answers in XML (I-02)', 'answers in XML'],
    ['answers XML within JSON (I-02)', 'answers XML within JSON'],
    ['answers XML that is called JSON (I-02)', 'answers XML that is called JSON'],
    ['begins with something else (I-02)', 'begins with something else'],
    ['answers twice (I-02)', 'answers twice'],
    ['has a name twice (I-02)', 'has a name twice'],
    ['has a prototype (I-10)', 'has a prototype'],
    ['names no account', 'names no account'],
    ['names no ARN', 'names no ARN'],
    ['names a number', 'names a number'],
    ['cuts its answer short', 'cuts its answer short'],
    ['says nothing', 'says nothing'],
    ['nests deeply (I-10)', 'nests deeply'],
    ['answers a billion laughs (I-10)', 'answers a billion laughs'],
    ['compresses (I-10)', 'compresses'],
    ['sends without end (I-10)', 'sends without end'],
    ['sends a byte at a time (I-10)', 'sends a byte at a time'],
    ['does not answer (I-10)', 'does not answer'],
    ['closes the connection', 'closes the connection'],
    ['is unavailable', 'is unavailable'],
    ['throttles (I-16)', 'throttles'],
  ] as const)('%s', async (_, name) => {
    aws.next.push(misbehaviours[name]);
    const isSlow = ['sends a byte at a time', 'does not answer'].includes(name);
    await expect(verify('192.0.2.1', host, isSlow ? impatient : sts)).rejects.toThrow();
    // One question, whatever it leads to: neither a redirect nor a failure makes another.
    expect(aws.stsCalls).toHaveLength(1);
    expect(await verify('192.0.2.2')).toBe('arn:aws:sts::333333333333:assumed-role/node/i-1');
  });
});

describe('an STS that fails', () => {
  const failing = (misbehave: Misbehaviour) => {
    aws.always = misbehave;
    aws.stsCalls.splice(0);
  };

  test('is asked five times, then no more until a pause is over (I-16)', async () => {
    failing(misbehaviours['is unavailable']);
    const outcomes = [];
    for (let count = 0; count < 50; count += 1) outcomes.push(await outcomeOf(verify(`192.0.2.${count}`)));
    expect(new Set(outcomes)).toEqual(new Set([expect.stringContaining('AWS does not answer; try again')]));
    expect(aws.stsCalls).toHaveLength(5);
    clock.advance(1_000);
    await Promise.all(Array.from({ length: 20 }, (_, at) => outcomeOf(verify(`192.0.2.${at}`))));
    // One tries; what it learns lengthens the pause.
    expect(aws.stsCalls).toHaveLength(6);
    clock.advance(1_999);
    await outcomeOf(verify());
    expect(aws.stsCalls).toHaveLength(6);
    aws.always = undefined;
    clock.advance(1);
    expect(await outcomeOf(verify())).toBe('admitted');
    expect(await outcomeOf(verify())).toBe('admitted');
  });

  test('in one region is asked in another', async () => {
    failing(misbehaviours['is unavailable']);
    for (let count = 0; count < 6; count += 1) await outcomeOf(verify());
    aws.always = undefined;
    expect(await outcomeOf(verify())).toContain('AWS does not answer');
    expect(await outcomeOf(verify('192.0.2.1', 'sts.us-west-2.amazonaws.com'))).toBe('admitted');
  });

  test('by throttling an account is not asked by that address, and is by others (I-16)', async () => {
    failing(misbehaviours['has had too many requests']);
    for (let count = 0; count < 20; count += 1) await outcomeOf(verify('192.0.2.1'));
    expect(aws.stsCalls).toHaveLength(5);
    aws.always = undefined;
    expect(await outcomeOf(verify('192.0.2.1'))).toContain('AWS does not answer');
    expect(await outcomeOf(verify('192.0.2.2'))).toBe('admitted');
  });
});

test('sixteen questions are under way at most, eight of them for one address (I-16)', async () => {
  const held: (() => void)[] = [];
  let [open, most] = [0, 0];
  aws.always = (response, right) => {
    open += 1;
    most = Math.max(most, open);
    held.push(() => {
      open -= 1;
      response.writeHead(200, { 'content-type': 'application/json' }).end(right);
    });
  };
  const askAll = async (addresses: readonly string[], atOnce: number) => {
    most = 0;
    const outcomes = Promise.all(addresses.map((address) => outcomeOf(verify(address))));
    await until(`${atOnce} are asked`, () => open === atOnce);
    for (let answered = 0; answered < addresses.length; answered += 1)
      (await until('one more', () => held.shift()))();
    expect(new Set(await outcomes)).toEqual(new Set(['admitted']));
    expect(most).toBe(atOnce);
  };
  await askAll(Array<string>(24).fill('192.0.2.1'), 8);
  await askAll(
    Array.from({ length: 40 }, (_, at) => `192.0.2.${at}`),
    16,
  );
});

test.each([
  'http://sts.example.com',
  'https://user@sts.example.com',
  'https://sts.example.com/path',
  'x',
  'file:///etc',
])('STS is never looked for at %s', (endpoint) => {
  expect(() => openSts({ clock, telemetry: silentTelemetry(), endpoint })).toThrow('POSTERN_STS_ENDPOINT');
});
