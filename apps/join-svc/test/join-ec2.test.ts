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
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
let count = 0;

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
  replicas = await Promise.all([
    plane.replica({ ec2CertificatesDir }),
    plane.replica({ ec2CertificatesDir }),
  ]);
});
afterAll(() => scope.disposeAsync());

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
