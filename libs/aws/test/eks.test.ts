import { systemClock } from '@postern/core';
import {
  type AwsRig,
  EksState,
  eksMisbehaviours,
  sessionOf,
  startAws,
  startHttpProxy,
} from '@postern/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Eks, openEks } from '../src/index.ts';

let aws: AwsRig;
let eks: Eks;
let now: Date;
const account = '333333333333';
const region = 'eu-west-1';
const as = { account, region };
const other = '444444444444';
const role = { arn: `arn:aws:iam::${other}:role/scan`, externalId: 'ours' };
const elsewhere = { account: other, region, role };
const scanner = { arn: `arn:aws:iam::${account}:role/scanner`, id: 'AROAEXAMPLEROLE00001' };

beforeAll(async () => {
  aws = await startAws();
});
afterAll(() => aws[Symbol.asyncDispose]());
beforeEach(() => {
  Object.assign(aws, { eks: new EksState() });
  aws.stsCalls.length = 0;
  aws.accounts.roles.clear();
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined);
  become('one');
  now = new Date();
  aws.clock = () => now;
  eks = open();
});
afterEach(async () => {
  await eks[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

function open(timeoutMs = 5_000): Eks {
  const env = { AWS_ENDPOINT_URL_STS: aws.stsUrl, AWS_ENDPOINT_URL_EKS: aws.eksUrl };
  return openEks({ env, clock: () => now, timeoutMs });
}

/** Gives this process credentials of its role. */
function become(session: string, expires?: Date): void {
  const key = aws.accounts.issueKey(sessionOf(scanner, session), {
    isTemporary: true,
    ...(expires ? { expires } : {}),
  });
  vi.stubEnv('AWS_ACCESS_KEY_ID', key.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', key.secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', key.sessionToken);
}

const assumptions = () => aws.stsCalls.filter(({ action }) => action === 'AssumeRole');

describe('clusters are found', () => {
  test('by pages of names', async () => {
    aws.eks.pageSize = 2;
    aws.eks.put(as, { name: 'a' }, { name: 'b' }, { name: 'c' });
    const first = await eks.listClusters(as);
    expect(first.names).toEqual(['a', 'b']);
    expect(await eks.listClusters(as, { after: first.next })).toEqual({ names: ['c'], next: undefined });
  });

  test('with their status and whatever is in their tags (D-04)', async () => {
    const tags = JSON.parse(
      '{"env":"prod","__proto__":"x","constructor":"y","sql":"\\"; DROP TABLE t","esc":"\\u001b[31m\\n"}',
    ) as Record<string, string>;
    aws.eks.put(as, { name: 'a', status: 'UPDATING', tags });
    const found = await eks.describeCluster(as, 'a');
    expect(found).toMatchObject({ name: 'a', account, region, status: 'UPDATING' });
    expect([...found!.tags]).toEqual(Object.entries(tags));
    expect(found!.tags.get('__proto__')).toBe('x');
  });

  test('or are not there', async () => {
    expect(await eks.describeCluster(as, 'none')).toBeUndefined();
  });
});

describe('a role of another account', () => {
  beforeEach(() => {
    aws.accounts.roles.set(role.arn, { arn: role.arn, id: 'AROAEXAMPLEROLE00002', externalId: 'ours' });
    aws.eks.put(elsewhere, { name: 'theirs' });
  });

  test('is assumed with its external id, once for all who ask (D-06)', async () => {
    const asked = Array.from({ length: 10 }, () => eks.listClusters(elsewhere));
    for (const page of await Promise.all(asked)) expect(page.names).toEqual(['theirs']);
    expect(assumptions()).toHaveLength(1);
    expect(aws.eks.calls.at(-1)?.by).toContain(`${other}:assumed-role/scan/`);
    expect((await eks.who(elsewhere)).account).toBe(other);
    expect((await eks.who(as)).account).toBe(account);
  });

  test('is not assumed without the id, nor what is kept used with another (D-06)', async () => {
    await eks.listClusters(elsewhere);
    for (const externalId of [undefined, 'wrong', 'ours ']) {
      const refused = eks.listClusters({ ...elsewhere, role: { ...role, externalId } });
      await expect(refused).rejects.toMatchObject({
        code: 'aws.denied',
        message: expect.stringContaining('sts:AssumeRole') as string,
      });
    }
    expect(aws.eks.calls).toHaveLength(1);
  });

  test('is one of its region and of who assumes it: another process identity starts anew (D-06, I-13)', async () => {
    await eks.listClusters(elsewhere);
    await eks.listClusters({ ...elsewhere, region: 'us-east-1' });
    expect(assumptions()).toHaveLength(2);
    const trustsPrincipal = (by: { readonly arn: string }) => by.arn.endsWith('/one');
    aws.accounts.roles.set(role.arn, { arn: role.arn, id: 'AROAEXAMPLEROLE00002', trustsPrincipal });
    become('two');
    await using second = open();
    await expect(second.listClusters(elsewhere)).rejects.toMatchObject({ code: 'aws.denied' });
  });

  test('is assumed anew before its hour ends, and where AWS says that it has', async () => {
    await eks.listClusters(elsewhere);
    now = new Date(now.getTime() + 54 * 60_000);
    await eks.listClusters(elsewhere);
    expect(assumptions()).toHaveLength(1);
    now = new Date(now.getTime() + 2 * 60_000);
    await eks.listClusters(elsewhere);
    expect(assumptions()).toHaveLength(2);
    let isFirst = true;
    aws.eks.misbehave = () => {
      const order = isFirst ? eksMisbehaviours['says that credentials have expired'] : undefined;
      isFirst = false;
      return order;
    };
    expect((await eks.listClusters(elsewhere)).names).toEqual(['theirs']);
    expect(assumptions()).toHaveLength(3);
  });
});

describe('what goes wrong has a name', () => {
  test('a denial names the action and the identity', async () => {
    aws.eks.denies = (_, { action }) => action === 'DescribeCluster';
    aws.eks.put(as, { name: 'a' });
    const denied = eks.describeCluster(as, 'a');
    await expect(denied).rejects.toMatchObject({ code: 'aws.denied', kind: 'permission_denied' });
    await expect(denied).rejects.toThrow(
      `eks:DescribeCluster in ${account}/${region}: allow it in a policy of the identity used there`,
    );
  });

  test('expired credentials, and a region that is switched off', async () => {
    aws.eks.disabledRegions.add(`${account}/${region}`);
    await expect(eks.listClusters(as)).rejects.toMatchObject({ code: 'aws.credentials_refused' });
    become('ended', new Date(now.getTime() - 1_000));
    await using ended = open();
    await expect(ended.listClusters(as)).rejects.toMatchObject({ code: 'aws.credentials_expired' });
  });

  test.each([
    ['throttles', 'aws.throttled'],
    ['has had too many requests', 'aws.throttled'],
    ['fails inside', 'aws.unavailable'],
    ['is unavailable', 'aws.unavailable'],
    ['says that credentials have expired', 'aws.credentials_expired'],
    ['says that the region is another', 'aws.credentials_refused'],
    ['denies without a reason', 'aws.denied'],
    ['closes the connection', 'aws.unavailable'],
    ['breaks off', 'aws.unavailable'],
    ['sends without end', 'aws.malformed_answer'],
    ['redirects by 307', 'aws.malformed_answer'],
    ['cuts its answer short', 'aws.malformed_answer'],
    ['answers in HTML', 'aws.malformed_answer'],
    ['says nothing', 'aws.malformed_answer'],
    ['answers null', 'aws.malformed_answer'],
    ['answers something else', 'aws.malformed_answer'],
    ['has numbers for names', 'aws.malformed_answer'],
  ] as const)('EKS that %s: %s', async (name, code) => {
    aws.eks.put(as, { name: 'a' });
    aws.eks.misbehave = () => eksMisbehaviours[name];
    await expect(eks.listClusters(as)).rejects.toMatchObject({ code });
    await expect(eks.describeCluster(as, 'a')).rejects.toMatchObject({ code });
  });

  test.each(['does not answer', 'sends a byte at a time'] as const)('EKS that %s', async (name) => {
    await using impatient = open(300);
    aws.eks.misbehave = () => eksMisbehaviours[name];
    await expect(impatient.listClusters(as)).rejects.toMatchObject({ code: 'aws.timed_out' });
  });

  test.each(['tells of another region', 'tells of another account'] as const)('EKS that %s', async (name) => {
    aws.eks.put(as, { name: 'a' });
    aws.eks.misbehave = () => eksMisbehaviours[name];
    await expect(eks.describeCluster(as, 'a')).rejects.toMatchObject({ code: 'aws.malformed_answer' });
  });

  test('a region that nobody knows is not asked', async () => {
    const unknown = openEks({ env: {}, clock: systemClock });
    await expect(unknown.listClusters({ account, region: 'us-attacker-1' })).rejects.toMatchObject({
      code: 'aws.unknown_eks_region',
    });
    await unknown[Symbol.asyncDispose]();
  });

  test('a proxy that is to be asked is asked for the host of the region, and what it refuses is no answer', async () => {
    await using proxy = await startHttpProxy({});
    await using behind = openEks({ env: { https_proxy: proxy.url }, clock: systemClock });
    await expect(behind.listClusters(as)).rejects.toMatchObject({ code: 'aws.unavailable' });
    await expect(behind.listClusters({ account, region: 'cn-north-1' })).rejects.toThrow('ListClusters');
    expect(proxy.asked).toEqual(['eks.eu-west-1.amazonaws.com:443', 'eks.cn-north-1.amazonaws.com.cn:443']);
  });

  test('whoever no longer wants an answer gets none', async () => {
    aws.eks.misbehave = () => eksMisbehaviours['does not answer'];
    const giving = new AbortController();
    const asked = eks.listClusters(as, { signal: giving.signal });
    giving.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });
});
