import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openIdentity } from '@postern/agent';
import type { IssuedIdentity } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { caPin } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { type AwsRig, startAws, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { instanceDocument, testRegion } from '../src/methods/ec2/testing.ts';
import {
  call,
  type ControlPlane,
  joinBody,
  type JoinBody,
  putToken,
  recorded,
  type Replica,
  startControlPlane,
} from './control-plane.ts';

const scope = new AsyncDisposableStack();
const region = scope.use(testRegion());
const telemetry = silentTelemetry('agent');
let plane: ControlPlane;
let replicas: Replica[];
let aws: AwsRig;
let count = 0;

const describing = 'arn:aws:iam::123456789012:role/describes';

beforeAll(async () => {
  plane = scope.use(await startControlPlane());
  const ec2CertificatesDir = join(plane.dataDir, 'regions');
  await mkdir(ec2CertificatesDir);
  await writeFile(join(ec2CertificatesDir, 'us-west-2.pem'), region.certificate);
  const spec = { roles: ['Kube', 'Discovery', 'Bot'], bot_name: 'b', join_method: 'ec2', aws_iid_ttl: '5m' };
  const allow = [{ aws_account: '123456789012', aws_regions: ['us-west-2'] }];
  await putToken(plane.views, 'ec2-token', { ...spec, allow });
  await putToken(plane.views, 'ec2-elsewhere', {
    ...spec,
    allow: [{ ...allow[0], aws_regions: ['us-east-1'] }],
  });
  await putToken(plane.views, 'ec2-asking', {
    ...spec,
    allow: [{ aws_account: '000000000000' }, { aws_role: describing }, ...allow],
  });
  await openAws();
  replicas = await Promise.all([
    plane.replica({ ec2CertificatesDir, aws: awsVariables() }),
    plane.replica({ ec2CertificatesDir, aws: awsVariables() }),
  ]);
  for (const at of replicas.keys())
    await until('it knows tokens', async () => (await joinWith(documentOf(), {}, at)).status === 200);
});
afterAll(() => scope.disposeAsync());

/** An AWS that join-svc asks about instances, by an identity that may assume the role that a rule names. */
async function openAws(): Promise<void> {
  aws = scope.use(await startAws());
  aws.accounts.roles.set(describing, { arn: describing, id: 'AROADESCRIBES0000001' });
  const by = { account: '999999999999', arn: 'arn:aws:iam::999999999999:user/join', userId: 'AIDAJOIN' };
  const { accessKeyId, secretAccessKey } = aws.accounts.issueKey(by);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', undefined);
  scope.defer(() => void vi.unstubAllEnvs());
}

const awsVariables = () => ({
  AWS_ENDPOINT_URL: undefined,
  AWS_ENDPOINT_URL_EC2: aws.ec2Url,
  AWS_ENDPOINT_URL_EKS: undefined,
  AWS_ENDPOINT_URL_STS: aws.stsUrl,
  AWS_USE_FIPS_ENDPOINT: undefined,
});

/** The document of an instance of its own, started some seconds ago. */
function documentOf(changes: object = {}, startedSecondsAgo = 10): string {
  count += 1;
  const pendingTime = new Date(Date.now() - startedSecondsAgo * 1000).toISOString().replace(/\.\d+/, '');
  const instanceId = `i-${String(count).padStart(17, '0')}`;
  return region.sign({ ...instanceDocument, instanceId, pendingTime, ...changes });
}

async function joinWith(document: string, changes: Partial<JoinBody> = {}, replica = 0) {
  const body = await joinBody({ method: 'ec2', token: 'ec2-token', proof: { document }, ...changes });
  return call<IssuedIdentity>(replicas[replica]!, '/v1/join', { body });
}

async function whyRefused(document: string, changes: Partial<JoinBody> = {}): Promise<string> {
  count += 1;
  const hostname = `refused-${count}`;
  const reply = await joinWith(document, { hostname, ...changes });
  expect(reply).toMatchObject({ status: 403, body: { code: 'join.refused' } });
  const events = await recorded(replicas[0]!);
  return events.find(({ data }) => data['hostname'] === hostname)!.data['reason'] as string;
}

describe('an instance', () => {
  test('joins by its identity document, and what it proved is recorded', async () => {
    const { status, body } = await joinWith(documentOf({ instanceId: 'i-0123456789abcdef0' }));
    expect(status).toBe(200);
    const joined = (await recorded(replicas[0]!)).find(({ stream }) => stream === `agent/${body.agentId}`);
    expect(joined?.data['attributes']).toEqual({
      aws_account: '123456789012',
      aws_instance_id: 'i-0123456789abcdef0',
      aws_region: 'us-west-2',
    });
  });

  const refused: [string, () => string, Partial<JoinBody>, string][] = [
    ['started too long ago', () => documentOf({}, 301), {}, 'longer ago than aws_iid_ttl'],
    ['from the future', () => documentOf({}, -90), {}, 'in the future'],
    [
      'of another account',
      () => documentOf({ accountId: '000000000000' }),
      {},
      'aws_account is not 000000000000',
    ],
    ['of a region of AWS, signed by us', () => documentOf({ region: 'us-east-1' }), {}, 'signature'],
    [
      'in a region no rule has',
      () => documentOf(),
      { token: 'ec2-elsewhere' },
      'aws_regions lacks us-west-2',
    ],
    ['as a bot', () => documentOf(), { roles: ['Bot'] }, 'role Bot is unsupported'],
    ['without a document', () => '', { proof: {} }, 'the proof is malformed'],
  ];
  test.each(refused)('%s is refused', async (_, document, changes, why) => {
    expect(await whyRefused(document(), changes)).toContain(why);
  });

  test('makes one agent of each role with one document, on whichever replica (I-18)', async () => {
    const document = documentOf();
    const replies = await Promise.all(Array.from({ length: 10 }, (_, at) => joinWith(document, {}, at % 2)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await joinWith(document, { roles: ['Discovery'] }, 1)).status).toBe(200);
    expect(await whyRefused(document, { roles: ['Discovery', 'Kube'] })).toContain('used by another join');
  });

  test('joins again after it was started again', async () => {
    const instanceId = 'i-00000000000aaaaaa';
    expect((await joinWith(documentOf({ instanceId }, 60))).status).toBe(200);
    expect((await joinWith(documentOf({ instanceId }, 5))).status).toBe(200);
  });
});

describe('an instance that a rule with a role lets in', () => {
  const id = 'i-00000000000bbbbbb';
  const place = { account: '123456789012', region: 'us-west-2', id };
  const asking = { token: 'ec2-asking' };

  test('joins where EC2 says that it runs', async () => {
    aws.ec2.instances.splice(0, Infinity, place);
    const { status } = await joinWith(documentOf({ instanceId: id }), asking);
    expect([status, aws.ec2.calls.length]).toEqual([200, 1]);
  });

  const refused: [string, () => void, string][] = [
    [
      'is not found',
      () => aws.ec2.instances.splice(0),
      `failed to get the state of the instance: EC2 knows no ${id}`,
    ],
    [
      'is stopped',
      () => aws.ec2.instances.splice(0, Infinity, { ...place, state: 'stopped' }),
      'is not running: it is stopped',
    ],
    [
      'cannot be described',
      () => {
        aws.ec2.instances.splice(0, Infinity, place);
        aws.ec2.denies = () => true;
      },
      'failed to get the state of the instance: AWS denied ec2:DescribeInstances',
    ],
  ];
  test.each(refused)(
    '%s is refused like everybody else, though a later rule would let it in',
    async (_, arrange, why) => {
      arrange();
      const reason = await whyRefused(documentOf({ instanceId: id }, 20), asking);
      expect(reason).toContain(why);
      expect(reason).toContain(describing);
    },
  );

  test('costs no question where its document is refused before', async () => {
    const before = aws.ec2.calls.length;
    await whyRefused(documentOf({ instanceId: id }, 301), asking);
    await whyRefused(documentOf({ instanceId: id, accountId: '222222222222' }), asking);
    expect(aws.ec2.calls).toHaveLength(before);
  });
});

describe('an agent on an instance', () => {
  test('gets its document from version 2 of the metadata service', async () => {
    const seen: [string, IncomingHttpHeaders][] = [];
    const document = documentOf();
    const server = createServer((request, response) => {
      seen.push([`${request.method} ${request.url}`, request.headers]);
      response.end(request.method === 'PUT' ? 'session-1' : document.replaceAll(/(.{64})/g, '$1\n'));
    }).listen(0, '127.0.0.1');
    scope.defer(() => void server.close());
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using identity = await openIdentity({
      joinUrls: [replicas[0]!.url],
      trust: { caPin: caPin(replicas[0]!.ca) },
      token: 'ec2-token',
      method: 'ec2',
      env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint },
      roles: ['Kube'],
      hostname: 'instance',
      telemetry,
      clock: systemClock,
    });
    expect(identity.roles).toEqual(['Kube']);
    expect(seen.map(([what]) => what)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/dynamic/instance-identity/rsa2048',
    ]);
    expect(seen[0]![1]['x-aws-ec2-metadata-token-ttl-seconds']).toBe('60');
    expect(seen[1]![1]['x-aws-ec2-metadata-token']).toBe('session-1');
  });

  test('says what is missing where there is no metadata service', async () => {
    const opening = openIdentity({
      joinUrls: [replicas[0]!.url],
      trust: { caPin: caPin(replicas[0]!.ca) },
      token: 'ec2-token',
      method: 'ec2',
      env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' },
      roles: ['Kube'],
      hostname: 'laptop',
      telemetry,
      clock: systemClock,
      giveUpAfterMs: 1,
    });
    await expect(opening).rejects.toThrow('the method ec2 is for EC2 instances');
  });
});
