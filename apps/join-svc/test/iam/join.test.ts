import { openIdentity } from '@postern/agent';
import { createUserKey } from '@postern/bus';
import type { IssuedIdentity } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { caPin, keyFingerprint } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { type AwsPrincipal, type AwsRig, fixedClock, sessionOf, startAws, until } from '@postern/testkit';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  call,
  type ControlPlane,
  joiner,
  putToken,
  recorded,
  type Replica,
  startControlPlane,
  startEdge,
} from '../control-plane.ts';
import { challengeFor, type Changes, digestOf, iamRequest, signedProof } from './signer.ts';

let plane: ControlPlane;
let replica: Replica;
let other: Replica;
let aws: AwsRig;

const account = '333333333333';
const rule = (aws_arn: string, more: object = {}) => ({
  aws_account: account,
  aws_arn: `arn:aws:sts::${account}:assumed-role/${aws_arn}`,
  ...more,
});
const tokens: Record<string, readonly object[]> = {
  'iam-token': [
    { aws_account: '111111111111' },
    { aws_account: '222222222222' },
    rule('teleport-node-role/i-*'),
  ],
  'wildcards-1': [rule('admins-*/*')],
  'wildcards-2': [rule('admins-???/*')],
  dotted: [rule('r.le/*')],
  pinned: [rule('pinned/*', { aws_unique_id: 'AROAOLDOLDOLDOLDOLD1' })],
  'two-regions': [{ aws_account: account, aws_regions: ['us-west-1', 'us-west-2'] }],
  organized: [{ aws_account: account, aws_organization_id: 'o-1' }],
  'only-the-arn': [{ aws_arn: `arn:aws:iam::${account}:user/dev/*` }],
  china: [{ aws_account: account }],
};

beforeAll(async () => {
  aws = await startAws();
  plane = await startControlPlane();
  for (const [name, allow] of Object.entries(tokens))
    await putToken(plane.views, name, { roles: ['Kube', 'Node'], join_method: 'iam', allow });
  const options = { stsEndpoint: aws.stsUrl, refusalAfterMs: 20 };
  replica = await plane.replica(options);
  other = await plane.replica(options);
});
afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});
beforeEach(() => void aws.stsCalls.splice(0));

const role = (name: string, session = 'i-0123', of = account): AwsPrincipal =>
  sessionOf({ arn: `arn:aws:iam::${of}:role/${name}`, id: 'AROANEWNEWNEWNEWNEW1' }, session);
const keyOf = (principal: AwsPrincipal) => aws.accounts.issueKey(principal, { isTemporary: true });
const user = (arn: string): AwsPrincipal => ({
  account: arn.split(':')[4]!,
  arn,
  userId: 'AIDAEXAMPLEUSER00001',
});

interface Joined {
  readonly status: number;
  readonly body: IssuedIdentity;
  readonly reason: string | undefined;
}

async function join(token: string, principal: AwsPrincipal, changes: Changes = {}): Promise<Joined> {
  const hostname = crypto.randomUUID();
  const request = await iamRequest(replica, keyOf(principal), {
    ...changes,
    join: { token, hostname, ...changes.join },
  });
  const { status, body } = await call<IssuedIdentity>(replica, '/v1/join', { body: request });
  const refused = (await recorded(replica)).find(
    ({ type, data }) => type === 'JoinRefused' && data['hostname'] === hostname,
  );
  return { status, body, reason: refused?.data['reason'] as string | undefined };
}

describe('an AWS identity that a rule admits', () => {
  const admitted: [name: string, token: string, principal: AwsPrincipal][] = [
    ['basic passing', 'iam-token', role('teleport-node-role')],
    ['by its account alone', 'iam-token', role('anything', 'any', '222222222222')],
    ['wildcard arn 1', 'wildcards-1', role('admins-test')],
    ['wildcard arn 2', 'wildcards-2', role('admins-123')],
    ['a user with a path', 'only-the-arn', user(`arn:aws:iam::${account}:user/dev/team/eve`)],
    ['a federated user (I-15)', 'china', user(`arn:aws:sts::${account}:federated-user/eve`)],
    ['a dot where the rule has one', 'dotted', role('r.le')],
  ];
  test.each(admitted)('%s', async (_, token, principal) => {
    expect((await join(token, principal)).status).toBe(200);
  });

  test('is recorded with what AWS said of it', async () => {
    const { body } = await join('iam-token', role('teleport-node-role'));
    const event = (await recorded(replica)).find(
      ({ type, data }) => type === 'AgentJoined' && data['agentId'] === body.agentId,
    );
    expect(event?.data).toMatchObject({
      method: 'iam',
      token: 'iam-token',
      attributes: {
        aws_account: account,
        aws_arn: role('teleport-node-role').arn,
        aws_unique_id: 'AROANEWNEWNEWNEWNEW1:i-0123',
        aws_region: 'eu-west-1',
        aws_partition: 'aws',
      },
    });
  });

  test('is asked for by a request that was built here, with nothing but the facts of the proof in it', async () => {
    await join('iam-token', role('teleport-node-role'), {
      proof: (proof) => ({
        ...proof,
        headers: proof.headers.map(([name, value]) => [name.toUpperCase(), value]),
      }),
    });
    const [{ method, target, body, headers }] = aws.stsCalls as [(typeof aws.stsCalls)[number]];
    expect({ method, target, body }).toEqual({
      method: 'POST',
      target: '/',
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    });
    expect(Object.keys(headers).toSorted()).toEqual([
      'accept',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'x-amz-date',
      'x-amz-security-token',
      'x-postern-challenge',
      'x-postern-request',
    ]);
  });

  const hosts: [host: string, region: string][] = [
    ['sts.us-west-2.amazonaws.com', 'us-west-2'],
    ['sts-fips.us-east-1.amazonaws.com', 'us-east-1'],
    ['sts.amazonaws.com', 'us-east-1'],
    ['sts.mx-central-1.amazonaws.com', 'mx-central-1'],
  ];
  test.each(hosts)('may have been signed for %s', async (host, region) => {
    expect((await join('china', role('any'), { host, region })).status).toBe(200);
    expect(aws.stsCalls[0]?.headers['host']).toBe(host);
  });

  test('of another partition is asked about there', async () => {
    const arn = `arn:aws-cn:sts::${account}:assumed-role/any/i-1`;
    const host = 'sts.cn-north-1.amazonaws.com.cn';
    expect((await join('china', user(arn), { host, region: 'cn-north-1' })).status).toBe(200);
    const elsewhere = await join('china', user(arn));
    expect(elsewhere.reason).toContain('of the partition aws-cn, not of aws');
  });
});

test('where FIPS is demanded, other hosts are not asked (non-fips client, fips pass)', async () => {
  const fips = await plane.replica({ stsEndpoint: aws.stsUrl, refusalAfterMs: 20, stsFipsOnly: true });
  const ask = async (host: string, region: string) => {
    const changes = { host, region, join: { token: 'china' } };
    return (await call(fips, '/v1/join', { body: await iamRequest(fips, keyOf(role('any')), changes) }))
      .status;
  };
  const hosts = [
    ['sts-fips.us-west-2.amazonaws.com', 'us-west-2'],
    ['sts.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ] as const;
  await until('the replica knows the tokens', async () => (await ask(...hosts[0])) === 200);
  aws.stsCalls.splice(0);
  for (const host of ['sts.us-west-2.amazonaws.com', 'sts.amazonaws.com', 'sts.eu-west-1.amazonaws.com'])
    expect(await ask(host, 'us-west-2')).toBe(403);
  expect(aws.stsCalls).toEqual([]);
  // An account of another partition: that host was asked, and knows somebody else.
  expect(await ask(...hosts[1])).toBe(403);
  expect(aws.stsCalls).toHaveLength(1);
});

describe('an AWS identity that no rule admits is', () => {
  const refused: [name: string, token: string, principal: AwsPrincipal, reason: string][] = [
    [
      'wrong account',
      'iam-token',
      role('teleport-node-role', 'i-1', '999999999999'),
      'spec.allow[0].aws_account is 1111',
    ],
    ['wrong arn', 'wildcards-2', role('admins-1234'), 'spec.allow[0].aws_arn'],
    [
      'a role whose name begins like it (I-11)',
      'iam-token',
      role('teleport-node-role-evil'),
      'spec.allow[2].aws_arn',
    ],
    [
      'a role with the name in its session (I-11)',
      'iam-token',
      role('x', 'teleport-node-role'),
      'spec.allow[2].aws_arn',
    ],
    ['a letter where the rule has a dot (I-11)', 'dotted', role('role'), 'spec.allow[0].aws_arn'],
    ['a role in other letters (I-11)', 'wildcards-1', role('Admins-test'), 'spec.allow[0].aws_arn'],
    [
      'a role that was made anew under its name (I-14)',
      'pinned',
      role('pinned'),
      'AROAOLDOLDOLDOLDOLD1, not AROANEW',
    ],
    ['in no region of the rule', 'two-regions', role('any'), 'aws_regions does not contain eu-west-1'],
    [
      'in an organization that nobody can tell',
      'organized',
      role('any'),
      'aws_organization_id cannot be evaluated',
    ],
    [
      'of the same role name in another account (I-13)',
      'wildcards-1',
      role('admins-test', 'i', '222222222222'),
      'aws_account is 333333333333, not 222222222222',
    ],
    [
      'the root user (I-15)',
      'china',
      user(`arn:aws:iam::${account}:root`),
      'no assumed role, federated user or IAM user',
    ],
    [
      'a role without a session (I-15)',
      'china',
      user(`arn:aws:sts::${account}:assumed-role/any`),
      'no assumed role',
    ],
    [
      'a role with one part too many (I-11, I-15)',
      'china',
      user(`arn:aws:sts::${account}:assumed-role/a/b/c`),
      'no assumed role',
    ],
    [
      'an ARN in upper case (I-11)',
      'china',
      user(`ARN:AWS:sts::${account}:assumed-role/a/b`),
      'no assumed role',
    ],
    [
      'digits that look alike (I-11)',
      'china',
      user('arn:aws:sts::３33333333333:assumed-role/a/b'),
      'no GetCallerIdentityResponse',
    ],
    ['a service (I-15)', 'china', user(`arn:aws:ec2::${account}:instance/i-1`), 'no assumed role'],
  ];
  test.each(refused)('%s', async (_, token, principal, reason) => {
    const joined = await join(token, principal);
    expect(joined.status).toBe(403);
    expect(joined.reason).toContain(reason);
    expect(joined.body).not.toHaveProperty('certificate');
  });

  test('told which role the token lacks, once it has proved to be meant by it', async () => {
    const asked = { join: { roles: ['Node', 'App', 'Discovery'] } };
    const detailOf = ({ body }: Joined) => (body as unknown as { detail: string }).detail;
    expect(detailOf(await join('iam-token', role('teleport-node-role'), asked))).toBe(
      'the token does not allow the role App, Discovery: it allows Kube, Node',
    );
    expect(detailOf(await join('iam-token', role('stranger'), asked))).toContain('the join was refused');
  });

  test('the same name in two accounts, the admitted one first (I-13)', async () => {
    expect((await join('wildcards-1', role('admins-test'))).status).toBe(200);
    expect((await join('wildcards-1', role('admins-test', 'i', '111111111111'))).status).toBe(403);
  });
});

describe('a signature that AWS does not believe', () => {
  test('sts api error', async () => {
    const stranger = { accessKeyId: 'AKIAXXXXXXXXXXXXXXXX', secretAccessKey: 'x' };
    const hostname = crypto.randomUUID();
    const request = await iamRequest(replica, stranger, { join: { hostname } });
    expect((await call(replica, '/v1/join', { body: request })).status).toBe(403);
    const refused = (await recorded(replica)).find(({ data }) => data['hostname'] === hostname);
    expect(refused?.data['reason']).toBe('STS does not know the signer: status 403 InvalidClientTokenId');
  });

  test('is one of a token that has ended, of another secret, or of changed digits', async () => {
    const ended = aws.accounts.issueKey(role('any'), { isTemporary: true, expires: new Date(0) });
    const forged = { ...keyOf(role('any')), secretAccessKey: 'other' };
    for (const key of [ended, forged])
      expect((await call(replica, '/v1/join', { body: await iamRequest(replica, key) })).status).toBe(403);
    expect(aws.stsCalls.map(({ status }) => status)).toEqual([403, 403]);
  });
});

test('an agent joins with the credentials that it finds', async () => {
  const { accessKeyId, secretAccessKey, sessionToken } = keyOf(role('teleport-node-role'));
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', sessionToken);
  await using identity = await openIdentity({
    joinUrls: [replica.url, other.url],
    trust: { caPin: caPin(replica.ca) },
    token: 'iam-token',
    method: 'iam',
    env: { AWS_REGION: 'eu-west-3' },
    roles: ['Kube'],
    hostname: 'an-agent',
    views: ['f'.repeat(32)],
    telemetry: silentTelemetry(),
    clock: systemClock,
  });
  vi.unstubAllEnvs();
  expect(identity.roles).toEqual(['Kube']);
  expect(aws.stsCalls.map(({ headers, status }) => [headers['host'], status])).toEqual([
    ['sts.eu-west-3.amazonaws.com', 200],
  ]);
});

describe('a good join that is sent again', () => {
  const joins = async (body: object, to: readonly Replica[]) => {
    const answers = await Promise.all(to.map((each) => call<IssuedIdentity>(each, '/v1/join', { body })));
    return {
      statuses: answers.map(({ status }) => status),
      ids: new Set(answers.map((each) => each.body.agentId)),
    };
  };
  const agentsOf = async (hostname: string) =>
    (await recorded(replica)).filter(
      ({ type, data }) => type === 'AgentJoined' && data['hostname'] === hostname,
    );

  test('a hundred times at once to two replicas makes one agent (I-07)', async () => {
    const join = { token: 'iam-token', hostname: 'hundred' };
    const body = await iamRequest(replica, keyOf(role('teleport-node-role')), { join });
    const both = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? replica : other));
    const { statuses, ids } = await joins(body, both);
    // Some may be told to come again, for too many are under way; none is told anything else.
    expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect([...ids].filter((id) => id !== undefined)).toHaveLength(1);
    expect(await agentsOf('hundred')).toHaveLength(1);
  });

  test('later gets the same agent, and AWS is not asked again (I-07)', async () => {
    const join = { token: 'iam-token', hostname: 'later' };
    const body = await iamRequest(replica, keyOf(role('teleport-node-role')), { join });
    const first = await joins(body, [replica]);
    const again = await joins(body, [replica, other, replica]);
    expect(again).toEqual({ statuses: [200, 200, 200], ids: first.ids });
    expect(aws.stsCalls).toHaveLength(1);
    const restarted = await plane.replica({ stsEndpoint: aws.stsUrl, refusalAfterMs: 20 });
    // It knows the tokens a moment after it listens.
    await until(
      'the replica knows the tokens',
      async () => (await joins(body, [restarted])).statuses[0] === 200,
    );
    expect((await joins(body, [restarted])).ids).toEqual(first.ids);
    expect(aws.stsCalls).toHaveLength(1);
  });

  test('for another join or another key makes none (I-07)', async () => {
    const join = { token: 'iam-token', hostname: 'once' };
    const body = await iamRequest(replica, keyOf(role('teleport-node-role')), { join });
    expect((await joins(body, [replica])).statuses).toEqual([200]);
    const { csr } = await joiner();
    const thefts = [
      { ...body, joinId: crypto.randomUUID() },
      { ...body, csr },
      { ...body, csr, joinId: crypto.randomUUID() },
    ];
    for (const theft of thefts) expect((await joins(theft, [other])).statuses).toEqual([403]);
    expect(await agentsOf('once')).toHaveLength(1);
    expect(aws.stsCalls).toHaveLength(1);
  });

  test('under other join ids, each signed anew over one challenge, to two replicas at once makes one agent (I-07)', async () => {
    const credentials = keyOf(role('teleport-node-role'));
    const join = { token: 'iam-token', hostname: 'race' };
    const { challenge, ...body } = await iamRequest(replica, credentials, { join });
    const answers = await Promise.all(
      [replica, other, replica, other, replica, other].map((to) => {
        const { proof: _, ...asked } = { ...body, joinId: crypto.randomUUID() };
        const proof = signedProof(credentials, { challenge, request: digestOf(asked) });
        return call(to, '/v1/join', { body: { ...asked, challenge, proof } });
      }),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(5);
    expect(await agentsOf('race')).toHaveLength(1);
  });

  test('by who overheard it before it was used is good for nothing else (I-07)', async () => {
    const join = { token: 'iam-token', hostname: 'overheard' };
    const body = await iamRequest(replica, keyOf(role('teleport-node-role')), { join });
    const { csr } = await joiner();
    const changes = [
      { joinId: crypto.randomUUID() },
      { csr },
      { busKey: createUserKey().publicKey },
      { roles: ['Node'] },
      { hostname: 'thief' },
      { views: ['f'.repeat(32)] },
    ];
    for (const change of changes)
      expect((await joins({ ...body, ...change }, [replica])).statuses).toEqual([403]);
    expect(aws.stsCalls).toEqual([]);
    expect((await joins(body, [other])).statuses).toEqual([200]);
  });

  test('after a lost answer, with a new challenge, gets the same agent', async () => {
    const credentials = keyOf(role('teleport-node-role'));
    const { csr, publicKey } = await joiner();
    const join = { token: 'iam-token', csr, hostname: 'lost' };
    const first = await iamRequest(replica, credentials, { join, publicKey });
    const lost = await joins(first, [replica]);
    const key = keyFingerprint(publicKey);
    const challenge = await challengeFor(other, key);
    const proof = { ...signedProof(credentials, { challenge, request: digestOf(first) }) };
    const again = { ...first, challenge, proof };
    expect(await joins(again, [other])).toEqual(lost);
    expect(await agentsOf('lost')).toHaveLength(1);
  });
});

test('refusals look alike, whatever the reason (I-17)', async () => {
  const answers = await Promise.all([
    iamRequest(replica, keyOf(role('any', 'i', '999999999999')), { join: { token: 'iam-token' } }),
    iamRequest(replica, keyOf(role('any')), { join: { token: 'no-such-token-0123456789' } }),
    iamRequest(replica, keyOf(role('any')), { join: { token: 'iam-token', roles: ['Proxy'] } }),
    iamRequest(replica, keyOf(role('any')), { join: { token: 'iam-token', method: 'token' } }),
    iamRequest(replica, keyOf(role('any')), { challenge: 'x', join: { token: 'iam-token' } }),
    iamRequest(replica, { accessKeyId: 'AKIAXXXXXXXXXXXXXXXX', secretAccessKey: 'x' }, {}),
  ]);
  const told = await Promise.all(
    answers.map(async (body) => {
      const reply = await call(replica, '/v1/join', { body });
      const { traceId: _, ...rest } = reply.body;
      return { status: reply.status, rest };
    }),
  );
  expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
  expect(told[0]?.status).toBe(403);
});

test('nothing of a proof is in an event, the database or a log (I-19)', async () => {
  const key = keyOf(role('teleport-node-role'));
  const good = await iamRequest(replica, key, { join: { token: 'iam-token' } });
  const bad = await iamRequest(replica, key, { moreHeaders: { 'x-canary': 'canary-in-a-header' } });
  for (const body of [good, bad]) await call(replica, '/v1/join', { body });
  const rows = await replica.store.db.selectFrom('used_proof').selectAll().execute();
  const everything = [
    JSON.stringify(await recorded(replica)),
    JSON.stringify(rows),
    ...plane.telemetry.lines,
  ];
  const signature = JSON.stringify(good.proof).match(/Signature=([0-9a-f]{64})/)![1]!;
  for (const secret of [key.sessionToken!, key.accessKeyId, signature, good.challenge, 'canary-in-a-header'])
    expect(everything.filter((text) => text.includes(secret))).toEqual([]);
});

test('what is remembered of challenges goes when they have ended', async () => {
  const day = 86_400_000;
  const ended = await replica.store.db
    .updateTable('used_proof')
    .set({ ends_at: new Date(Date.now() - day) })
    .returning('proof')
    .execute();
  expect(ended.length).toBeGreaterThan(0);
  for (let at = 0; at <= ended.length / 10; at += 1)
    expect((await join('iam-token', role('teleport-node-role'))).status).toBe(200);
  const left = await replica.store.db.selectFrom('used_proof').select('proof').execute();
  expect(left.filter(({ proof }) => ended.some((each) => each.proof === proof))).toEqual([]);
});

test('a flood of bad proofs from one address keeps nobody else from joining, and AWS hears nothing of it (I-16)', async () => {
  const clock = fixedClock(new Date().toISOString());
  const flooded = await plane.replica({ stsEndpoint: aws.stsUrl, refusalAfterMs: 20, clock });
  const ask = await startEdge(flooded);
  const bad = await iamRequest(flooded, keyOf(role('any')), { method: 'GET', join: { token: 'iam-token' } });
  const flood = {
    dispatcher: new Agent({ connections: 8, connect: { ca: flooded.ca } }),
    method: 'POST',
    body: JSON.stringify(bad),
    headers: { 'content-type': 'application/json' },
  } as const;
  const statuses = await Promise.all(
    Array.from({ length: 220 }, async () => {
      const { statusCode, body } = await request(new URL('/v1/join', flooded.url), flood);
      await body.dump();
      return statusCode;
    }),
  );
  await flood.dispatcher.close();
  expect(statuses.filter((status) => status === 403)).toHaveLength(200);
  expect(statuses.filter((status) => status === 429)).toHaveLength(20);
  expect(aws.stsCalls).toEqual([]);
  const use = { method: 'iam', key: 'a'.repeat(64) };
  const { body: refused } = await call(flooded, '/v1/join/challenge', { body: use });
  expect(refused['code']).toBe('join.too_many_joins');
  // The edge goes by the time there is.
  clock.advance(Date.now() - clock().getTime());
  const good = await iamRequest(other, keyOf(role('teleport-node-role')), { join: { token: 'iam-token' } });
  expect((await ask(flooded, '/v1/join', { body: good })).status).toBe(200);
});
