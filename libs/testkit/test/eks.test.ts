import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type AwsRig,
  eksMisbehaviours,
  EksState,
  type IssuedKey,
  sessionOf,
  signRequest,
  startAws,
} from '../src/index.ts';

let aws: AwsRig;
let key: IssuedKey;
const place = { account: '333333333333', region: 'eu-west-1' };
const scanner = sessionOf({ arn: 'arn:aws:iam::333333333333:role/scanner', id: 'AROAEXAMPLEROLE00001' }, 's');

beforeAll(async () => {
  aws = await startAws();
});
afterAll(() => aws[Symbol.asyncDispose]());
beforeEach(() => {
  Object.assign(aws, { eks: new EksState() });
  aws.clock = () => new Date();
  key = aws.accounts.issueKey(scanner, { isTemporary: true, expires: new Date(Date.now() + 600_000) });
});

interface Asked {
  readonly status: number;
  readonly code: string | null;
  readonly body: Record<string, unknown>;
}

async function ask(target: string, region = place.region, signedWith = key): Promise<Asked> {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const unsigned = { method: 'GET', target, body: '', headers: { host: new URL(aws.eksUrl).host } };
  const { headers } = signRequest(unsigned, { key: signedWith, date, region, service: 'eks' });
  const reply = await fetch(aws.eksUrl + target, { headers });
  const body = (await reply.json()) as Record<string, unknown>;
  return { status: reply.status, code: reply.headers.get('x-amzn-errortype'), body };
}

describe('the EKS of the rig', () => {
  test('lists the clusters of the region that is signed for, in pages', async () => {
    aws.eks.put(place, ...['c', 'a', 'b'].map((name) => ({ name })));
    aws.eks.put({ ...place, region: 'us-east-1' }, { name: 'elsewhere' });
    const first = await ask('/clusters?maxResults=2');
    expect(first.body['clusters']).toEqual(['a', 'b']);
    const token = encodeURIComponent(String(first.body['nextToken']));
    expect((await ask(`/clusters?maxResults=2&nextToken=${token}`)).body).toEqual({
      clusters: ['c'],
      nextToken: null,
    });
    expect((await ask('/clusters', 'us-east-1')).body['clusters']).toEqual(['elsewhere']);
    expect(await ask(`/clusters?nextToken=${token}`, 'us-east-1')).toMatchObject({ status: 400 });
    expect(await ask('/clusters?maxResults=101')).toMatchObject({ code: 'InvalidParameterException' });
    expect(aws.eks.count('ListClusters')).toBe(5);
  });

  test('describes a cluster, and says when there is none', async () => {
    aws.eks.put(place, { name: 'prod', status: 'UPDATING', tags: { env: 'prod' } });
    expect((await ask('/clusters/prod')).body).toMatchObject({
      cluster: {
        name: 'prod',
        arn: 'arn:aws:eks:eu-west-1:333333333333:cluster/prod',
        status: 'UPDATING',
        tags: { env: 'prod' },
        accessConfig: { authenticationMode: 'API_AND_CONFIG_MAP' },
      },
    });
    aws.eks.remove(place, 'prod');
    expect(await ask('/clusters/prod')).toMatchObject({ status: 404, code: 'ResourceNotFoundException' });
  });

  test('believes signatures, and says what is denied', async () => {
    expect(await ask('/clusters', 'eu-west-1', { ...key, secretAccessKey: 'other' })).toMatchObject({
      status: 403,
      code: 'InvalidSignatureException',
    });
    aws.clock = () => new Date(Date.now() + 700_000);
    expect(await ask('/clusters')).toMatchObject({ code: 'ExpiredTokenException' });
    aws.clock = () => new Date();
    aws.eks.denies = (by, { action }) => by.arn === scanner.arn && action === 'ListClusters';
    expect(await ask('/clusters')).toMatchObject({
      code: 'AccessDeniedException',
      body: { message: expect.stringContaining('not authorized to perform: eks:ListClusters on') as string },
    });
    aws.eks.disabledRegions.add('333333333333/eu-west-1');
    expect(await ask('/clusters')).toMatchObject({ code: 'UnrecognizedClientException' });
  });

  test('misbehaves where it is told to', async () => {
    aws.eks.misbehave = ({ action }) => (action === 'ListClusters' ? eksMisbehaviours.throttles : undefined);
    expect(await ask('/clusters')).toMatchObject({ status: 429, code: 'ThrottlingException' });
    expect(await ask('/clusters/none')).toMatchObject({ status: 404 });
  });
});
