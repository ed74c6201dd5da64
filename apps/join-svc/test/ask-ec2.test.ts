import { silentTelemetry } from '@postern/telemetry';
import {
  type AwsRig,
  type Ec2Instance,
  fixedClock,
  type IssuedKey,
  type Misbehaviour,
  misbehaviours,
  startAws,
} from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Instances, openInstances } from '../src/methods/ec2/ask-ec2.ts';

const account = '123456789012';
const region = 'us-west-2';
const instanceId = 'i-0123456789abcdef0';
const role = `arn:aws:iam::${account}:role/describes`;
const clock = fixedClock(new Date().toISOString());
const opened = new AsyncDisposableStack();
let aws: AwsRig;
let own: IssuedKey;
let instances: Instances;
let impatient: Instances;

beforeAll(async () => {
  aws = await startAws();
  aws.clock = clock;
  const by = {
    account: '999999999999',
    arn: 'arn:aws:iam::999999999999:user/join-svc',
    userId: 'AIDAJOINSVC',
  };
  own = aws.accounts.issueKey(by);
  aws.accounts.roles.set(role, { arn: role, id: 'AROADESCRIBES0000001' });
  vi.stubEnv('AWS_ACCESS_KEY_ID', own.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', own.secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', undefined);
});
beforeEach(() => {
  const env = { AWS_ENDPOINT_URL_STS: aws.stsUrl, AWS_ENDPOINT_URL_EC2: aws.ec2Url };
  instances = opened.use(openInstances({ clock, telemetry: silentTelemetry(), env }));
  impatient = opened.use(openInstances({ clock, telemetry: silentTelemetry(), env, timeoutMs: 600 }));
  aws.ec2.instances.splice(0);
  aws.ec2.calls.splice(0);
  aws.stsCalls.splice(0);
  aws.ec2.misbehave = undefined;
  aws.ec2.denies = () => false;
  aws.always = undefined;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await opened.disposeAsync();
  await aws[Symbol.asyncDispose]();
});

const there = (changes: Partial<Ec2Instance> = {}) =>
  void aws.ec2.instances.push({ account, region, id: instanceId, ...changes });
const identity = { accountId: account, instanceId, region };
const ask = ({ by = instances, as = role, sourceIp = '192.0.2.1', ...changes }: Partial<Asked> = {}) =>
  by.requireRunning({ ...identity, ...changes }, { role: as, sourceIp });
interface Asked {
  readonly by: Instances;
  readonly as: string;
  readonly sourceIp: string;
  readonly region: string;
}

describe('an instance', () => {
  test('that runs is let in, as the role that the rule names sees it, in its own region', async () => {
    there();
    await ask();
    expect(aws.stsCalls).toMatchObject([{ action: 'AssumeRole', status: 200 }]);
    expect(aws.ec2.calls).toEqual([
      {
        action: 'DescribeInstances',
        region,
        status: 200,
        by: `arn:aws:sts::${account}:assumed-role/describes/postern-join`,
      },
    ]);
  });

  test.each([
    ['that is not there', () => {}, `EC2 knows no ${instanceId} in us-west-2`],
    ['of another region', () => there({ region: 'eu-west-1' }), `EC2 knows no ${instanceId}`],
    ['of another account', () => there({ account: '000000000000' }), `EC2 knows no ${instanceId}`],
    ['that is pending', () => there({ state: 'pending' }), 'is not running: it is pending'],
    ['that is stopped', () => there({ state: 'stopped' }), 'is not running: it is stopped'],
    ['that is stopping', () => there({ state: 'stopping' }), 'is not running: it is stopping'],
    ['that was terminated', () => there({ state: 'terminated' }), 'is not running: it is terminated'],
  ])('%s is refused', async (_, arrange, why) => {
    arrange();
    await expect(ask()).rejects.toMatchObject({
      code: 'join.proof_refused',
      message: expect.stringContaining(why),
    });
  });

  test('is refused where the role may not describe instances, and where it may not be assumed', async () => {
    there();
    aws.ec2.denies = () => true;
    const denied = { code: 'join.proof_refused', message: expect.stringContaining('ec2:DescribeInstances') };
    await expect(ask()).rejects.toMatchObject(denied);
    const other = { as: `arn:aws:iam::${account}:role/nobody` };
    const unassumed = { code: 'join.proof_refused', message: expect.stringContaining('sts:AssumeRole') };
    await expect(ask(other)).rejects.toMatchObject(unassumed);
  });

  test('of a region that is not known is refused, and nothing is asked', async () => {
    await expect(ask({ region: 'mars-north-1' })).rejects.toMatchObject({ code: 'join.proof_refused' });
    expect([...aws.stsCalls, ...aws.ec2.calls]).toEqual([]);
  });
});

describe('a role', () => {
  test('is assumed once, and again before its session ends', async () => {
    there();
    for (let times = 0; times < 3; times += 1) await ask();
    expect(aws.stsCalls).toHaveLength(1);
    clock.advance(56 * 60_000);
    await ask();
    expect(aws.stsCalls).toHaveLength(2);
  });

  test('is assumed again where its session was ended early', async () => {
    there();
    await ask();
    for (const [id, key] of aws.accounts.keys)
      if (id !== own.accessKeyId) aws.accounts.keys.set(id, { ...key, expires: new Date(0) });
    await ask();
    expect(aws.stsCalls).toHaveLength(2);
  });
});

describe('nobody is admitted when EC2', () => {
  const body =
    (text: string, type = 'text/xml'): Misbehaviour =>
    (response) =>
      void response.writeHead(200, { 'content-type': type }).end(text);
  const changed =
    (change: (right: string) => string): Misbehaviour =>
    (response, right) =>
      body(change(right))(response, right);
  const cases: [string, Misbehaviour][] = [
    ...(
      [
        ['redirects by 302 (I-09)', 'redirects by 302'],
        ['redirects by 307 (I-09)', 'redirects by 307'],
        ['sends without end (I-10)', 'sends without end'],
        ['sends a byte at a time (I-10)', 'sends a byte at a time'],
        ['does not answer (I-10)', 'does not answer'],
        ['closes the connection', 'closes the connection'],
        ['is unavailable', 'is unavailable'],
        ['throttles (I-16)', 'throttles'],
        ['answers a billion laughs (I-10)', 'answers a billion laughs'],
      ] as const
    ).map(([title, name]): [string, Misbehaviour] => [title, misbehaviours[name]]),
    ['answers in JSON', body('{}', 'application/json')],
    ['answers with something else', body('<html></html>')],
    ['says nothing', body('')],
    ['cuts its answer short', changed((right) => right.slice(0, 200))],
    ['tells of another instance', changed((right) => right.replace(instanceId, 'i-00000000'))],
    ['tells of another account', changed((right) => right.replace(account, '999999999999'))],
    [
      'tells of it twice',
      changed((right) => right.replace(/<item>.*<\/item>(?=<\/reservationSet>)/, '$&$&')),
    ],
    ['tells no state', changed((right) => right.replace('<name>running</name>', ''))],
    ['tells two states', changed((right) => right.replace('<name>running</name>', '$&$&'))],
    [
      'has more to tell',
      changed((right) => right.replace('</reservationSet>', '$&<nextToken>x</nextToken>')),
    ],
  ];
  test.each(cases)('%s', async (_, misbehave) => {
    there();
    aws.ec2.misbehave = misbehave;
    await expect(ask({ by: impatient })).rejects.toThrow();
    expect(aws.ec2.calls).toHaveLength(1);
    aws.ec2.misbehave = undefined;
    await ask({ sourceIp: '192.0.2.2' });
  });

  test('fails, and it is asked five times, then no more until a pause is over (I-16)', async () => {
    there();
    aws.ec2.misbehave = misbehaviours['is unavailable'];
    for (let count = 0; count < 20; count += 1)
      await expect(ask({ sourceIp: `192.0.2.${count}` })).rejects.toMatchObject({ kind: 'unavailable' });
    expect(aws.ec2.calls).toHaveLength(5);
    aws.ec2.misbehave = undefined;
    await expect(ask()).rejects.toMatchObject({ kind: 'unavailable' });
    clock.advance(60_000);
    await ask();
  });

  test('cannot be asked because STS fails; the joiner may come again', async () => {
    there();
    aws.always = misbehaviours['is unavailable'];
    await expect(ask()).rejects.toMatchObject({ kind: 'unavailable' });
    expect(aws.ec2.calls).toEqual([]);
  });
});
