import { type AwsRig, type IssuedKey, sessionOf, startAws } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  call,
  type ControlPlane,
  putToken,
  recorded,
  type Replica,
  startControlPlane,
} from '../control-plane.ts';
import { type Changes, dateOf, host, iamRequest, type Proof } from './signer.ts';

let plane: ControlPlane;
let replica: Replica;
let aws: AwsRig;
let session: IssuedKey;

beforeAll(async () => {
  aws = await startAws();
  plane = await startControlPlane();
  const spec = { roles: ['Kube'], join_method: 'iam', allow: [{ aws_account: '333333333333' }] };
  await putToken(plane.views, 'iam-token', spec);
  replica = await plane.replica({ stsEndpoint: aws.stsUrl, refusalAfterMs: 20 });
  const role = { arn: 'arn:aws:iam::333333333333:role/node', id: 'AROAEXAMPLEROLE00001' };
  session = aws.accounts.issueKey(sessionOf(role, 'i-1'), { isTemporary: true });
});
afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

const header =
  (name: string, value: string) =>
  (proof: Proof): Proof => ({ ...proof, headers: [...proof.headers, [name, value]] });
const replaced =
  (name: string, change: (value: string) => string) =>
  (proof: Proof): Proof => ({
    ...proof,
    headers: proof.headers.map(([each, value]) => [each, each === name ? change(value) : value] as const),
  });
const without =
  (name: string) =>
  (proof: Proof): Proof => ({ ...proof, headers: proof.headers.filter(([each]) => each !== name) });
const url = (text: string) => (proof: Proof) => ({ ...proof, url: text });
const minutes = (count: number) => new Date(Date.now() + count * 60_000);

const otherAction =
  'Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/x&RoleSessionName=a&WebIdentityToken=a.<GetCallerIdentityResponse>.c';
const presigned = `https://${host}/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIA`;
const unsignedChallenge = [
  'accept',
  'content-type',
  'host',
  'x-amz-date',
  'x-amz-security-token',
  'x-postern-request',
];

const cases: Record<string, [changes: Changes, reason: string]> = {
  'another action in the body (I-01)': [{ body: otherAction }, 'the body is not that of GetCallerIdentity'],
  'one more parameter (I-05)': [
    { body: 'Action=GetCallerIdentity&Version=2011-06-15&x=1' },
    'the body is not that of GetCallerIdentity',
  ],
  'an action twice (I-05)': [
    { body: 'Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15' },
    'the body is not that of GetCallerIdentity',
  ],
  'a line feed after the body': [
    { body: 'Action=GetCallerIdentity&Version=2011-06-15\n' },
    'the body is not that of GetCallerIdentity',
  ],
  GET: [{ method: 'GET', body: '' }, 'the method must be POST'],
  'post in lower case': [{ method: 'post' }, 'the method must be POST'],
  'a path (I-04)': [{ target: '/abc' }, 'the URL is not'],
  'two slashes (I-04)': [{ proof: url(`https://${host}//`) }, 'the URL is not'],
  'a path parameter (I-04)': [{ target: '/;x' }, 'the URL is not'],
  'an encoded slash (I-04)': [{ target: '/%2f' }, 'the URL is not'],
  'a query (I-04)': [{ target: '/?Action=AssumeRole' }, 'the URL is not'],
  'a fragment (I-04)': [{ proof: url(`https://${host}/#`) }, 'the URL is not'],
  'no path at all': [{ proof: url(`https://${host}`) }, 'the URL is not'],
  'a presigned URL (I-05)': [{ proof: url(presigned) }, 'the URL is not'],
  'a presigned URL with a parameter twice, in other case (I-05)': [
    { proof: url(`${presigned}&x-amz-credential=eve`) },
    'the URL is not',
  ],
  'a port (I-03)': [{ proof: url(`https://${host}:443/`) }, 'the URL is not'],
  'another port (I-03)': [{ proof: url(`https://${host}:8443/`) }, 'the URL is not'],
  'plain HTTP (I-03)': [{ proof: url(`http://${host}/`) }, 'the URL is not'],
  'somebody in front of the host (I-03)': [{ proof: url(`https://sts@evil.example.com/`) }, 'the URL is not'],
  'a host in upper case (I-03)': [{ proof: url(`https://${host.toUpperCase()}/`) }, 'the URL is not'],
  'a final dot (I-03)': [{ proof: url(`https://${host}./`) }, 'the URL is not'],
  'the metadata service for a host (I-03)': [{ proof: url('https://169.254.169.254/') }, 'the URL is not'],
  'wrong sts host': [{ host: 'sts.us-attacker-1.amazonaws.com', region: 'us-attacker-1' }, 'the URL is not'],
  'another host in the header than in the URL (I-03)': [
    { proof: url('https://sts.us-west-2.amazonaws.com/') },
    'host is not what it must be',
  ],
  'a host header with a port': [
    { proof: replaced('host', (name) => `${name}:443`) },
    'host is not what it must be',
  ],
  'wrong challenge': [{ challenge: 'A'.repeat(72) }, 'x-postern-challenge is not what it must be'],
  'an empty challenge header, signed (I-06)': [{ challenge: '' }, 'headers'],
  'no challenge header (I-06)': [{ proof: without('x-postern-challenge') }, 'x-postern-challenge is missing'],
  'unsigned challenge header (I-06)': [{ signedHeaders: unsignedChallenge }, 'SignedHeaders must be'],
  'a challenge header that is signed by a name like it (I-06)': [
    {
      proof: replaced('authorization', (text) => text.replace('x-postern-challenge', 'x-postern-challenges')),
    },
    'SignedHeaders must be',
  ],
  'two challenge headers (I-06)': [
    { proof: header('X-Postern-Challenge', 'other') },
    'x-postern-challenge is there twice',
  ],
  'another request to join, signed (I-07)': [
    { request: 'b'.repeat(64) },
    'x-postern-request is not what it must be',
  ],
  'a header that nobody knows (I-05)': [
    { moreHeaders: { 'x-amz-target': 'x' } },
    'is none of those that are signed',
  ],
  'a redirecting header (I-03)': [
    { moreHeaders: { 'x-forwarded-host': 'x' } },
    'is none of those that are signed',
  ],
  'a date twice, in other case (I-05)': [
    { proof: header('x-Amz-date', dateOf(new Date())) },
    'is there twice',
  ],
  'another length than that of the body': [
    { proof: header('content-length', '44') },
    'Content-Length is not',
  ],
  'XML for an answer (I-02)': [
    { proof: replaced('accept', () => 'text/xml') },
    'accept is not what it must be',
  ],
  'a signature that is too old (I-08)': [{ at: minutes(-16) }, 'more than 15 minutes old'],
  'a signature for later (I-08)': [{ at: minutes(6) }, 'more than 5 minutes ahead'],
  'the year 9999 (I-08)': [{ date: '99990101T000000Z' }, 'ahead'],
  'a date of another age (I-08)': [{ date: '19900422T010203Z' }, 'old'],
  'a day that does not exist (I-08)': [{ date: '20260231T010203Z' }, 'is not a time'],
  'a lower-case z (I-08)': [{ date: dateOf(new Date()).replace('Z', 'z') }, 'is not a time'],
  'local time (I-08)': [{ date: dateOf(new Date()).replace('Z', '') }, 'is not a time'],
  'no date (I-08)': [{ proof: without('x-amz-date') }, 'is not a time'],
  'a scope of another day (I-08)': [
    { proof: replaced('authorization', (text) => text.replace(/\/\d{8}\//, '/20260101/')) },
    'the credential scope is of another day',
  ],
  'a scope of another region (I-03)': [{ region: 'us-east-1' }, 'is not of the region eu-west-1'],
  'a scope of another service': [{ service: 'iam' }, 'is not for sts'],
  'no authorization': [{ proof: without('authorization') }, 'Authorization is not one'],
  'a bearer token': [{ proof: replaced('authorization', () => 'Bearer x') }, 'Authorization is not one'],
  'a line break in a token': [{ proof: replaced('x-amz-security-token', () => 'a\r\nb: c') }, 'is malformed'],
  'no proof': [{ proof: () => undefined }, 'the proof is malformed'],
  'a field that nobody knows (I-01)': [
    { proof: (proof) => ({ ...proof, action: 'x' }) },
    'the proof is malformed',
  ],
  'headers that are no pairs': [{ proof: (proof) => ({ ...proof, headers: {} }) }, 'the proof is malformed'],
  'forty headers': [
    { proof: (proof) => ({ ...proof, headers: Array.from({ length: 40 }, () => ['a', 'b']) }) },
    'the proof is malformed',
  ],
  'wrong token name': [{ join: { token: 'other-token-0123456789' } }, 'the token is unknown'],
};

describe('AWS is not asked about a proof with', () => {
  test.each(Object.entries(cases))('%s', async (name, [changes, reason]) => {
    const hostname = `h-${Object.keys(cases).indexOf(name)}`;
    const request = await iamRequest(replica, session, { ...changes, join: { hostname, ...changes.join } });
    const { status, body } = await call(replica, '/v1/join', { body: request });
    expect({ status, code: body['code'] }).toEqual({ status: 403, code: 'join.refused' });
    const refused = (await recorded(replica)).find(({ data }) => data['hostname'] === hostname);
    expect(refused?.data['reason']).toContain(reason);
    expect(aws.stsCalls).toEqual([]);
  });

  test('a challenge of another key, of none, or none at all (I-07)', async () => {
    const [good, other] = [await iamRequest(replica, session), await iamRequest(replica, session)];
    const { challenge: _, ...unanswered } = good;
    const requests = [{ ...good, challenge: other.challenge }, { ...good, challenge: 'x' }, unanswered];
    for (const body of requests) expect((await call(replica, '/v1/join', { body })).status).toBe(403);
    expect(aws.stsCalls).toEqual([]);
  });

  test('more than the request may hold (I-16)', async () => {
    const proof = (signed: Proof) => ({ ...signed, body: 'x'.repeat(60_000) });
    const { status } = await call(replica, '/v1/join', {
      body: await iamRequest(replica, session, { proof }),
    });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(aws.stsCalls).toEqual([]);
  });

  test('nothing wrong at all is what it is asked about', async () => {
    const { status } = await call(replica, '/v1/join', { body: await iamRequest(replica, session) });
    expect(status).toBe(200);
    expect(aws.stsCalls).toHaveLength(1);
  });
});
