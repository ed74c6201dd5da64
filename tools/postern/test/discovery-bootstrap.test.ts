import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attachPolicy } from '@postern/aws';
import { type AwsRig, runToolHere, startAws, temporaryFolder } from '@postern/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { postern } from '../src/commands/index.ts';
import type { IamPolicy } from '../src/discovery/iam-policy.ts';

const account = '111111111111';
const policyArn = `arn:aws:iam::${account}:policy/TeleportEKSDiscovery`;
let aws: AwsRig;

beforeAll(async () => {
  aws = await startAws();
  const arn = `arn:aws:iam::${account}:role/path/discovery`;
  aws.accounts.roles.set(arn, { arn, id: 'AROADISCOVERY' });
  aws.iam.users.add(`arn:aws:iam::${account}:user/ci`);
});
afterAll(() => aws[Symbol.asyncDispose]());

beforeEach(() => {
  const admin = { account, arn: `arn:aws:iam::${account}:user/admin`, userId: 'AIDAADMIN' };
  const { accessKeyId, secretAccessKey } = aws.accounts.issueKey(admin);
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  vi.stubEnv('AWS_ENDPOINT_URL_IAM', aws.iamUrl);
  aws.iam.policies.clear();
  aws.iam.denied.clear();
  aws.iam.calls.length = 0;
});
afterEach(() => vi.unstubAllEnvs());

const run = (...args: string[]) => runToolHere(postern, ['discovery', 'bootstrap', ...args]);
const printed = async (...args: string[]) => JSON.parse((await run(...args)).out) as IamPolicy;
const policyNow = () => {
  const { versions, standard, attachedTo } = aws.iam.policies.get(policyArn)!;
  const document = versions.find(({ id }) => id === standard)!.document;
  return {
    document: JSON.parse(document) as IamPolicy,
    versions: versions.length,
    attachedTo: [...attachedTo],
  };
};

describe('postern discovery bootstrap', () => {
  test('prints the policy of the guide, and asks nobody', async () => {
    expect(await printed()).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'EKSDiscovery',
          Effect: 'Allow',
          Action: ['eks:DescribeCluster', 'eks:ListClusters'],
          Resource: '*',
        },
        {
          Sid: 'EKSManageAccess',
          Effect: 'Allow',
          Action: [
            'eks:AssociateAccessPolicy',
            'eks:CreateAccessEntry',
            'eks:DeleteAccessEntry',
            'eks:DescribeAccessEntry',
            'eks:TagResource',
            'eks:UpdateAccessEntry',
          ],
          Resource: '*',
        },
      ],
    });
    expect(aws.iam.calls).toEqual([]);
  });

  test('narrows it to regions and accounts by the ARNs that each action knows', async () => {
    const { Statement } = await printed('--region=cn-north-1', `--account=${account}`, '--without-access');
    expect(Statement).toEqual([
      {
        Sid: 'EKSDiscovery',
        Effect: 'Allow',
        Action: ['eks:DescribeCluster'],
        Resource: [`arn:aws-cn:eks:cn-north-1:${account}:cluster/*`],
      },
      {
        Sid: 'EKSList',
        Effect: 'Allow',
        Action: ['eks:ListClusters'],
        Resource: '*',
        Condition: { StringEquals: { 'aws:RequestedRegion': ['cn-north-1'] } },
      },
    ]);
    const both = await printed(`--account=${account}`);
    expect(both.Statement.at(-1)!.Resource).toEqual([
      `arn:aws:eks:*:${account}:cluster/*`,
      `arn:aws:eks:*:${account}:access-entry/*`,
    ]);
  });

  test('narrows it to what a configuration looks for, with the roles that are taken on for it', async () => {
    const file = join(temporaryFolder(), 'teleport.yaml');
    const matcher =
      'types: [eks], regions: [eu-west-1], assume_role_arn: "arn:aws:iam::222222222222:role/look"';
    writeFileSync(
      file,
      `version: v3\nauth_service: {enabled: off}\nproxy_service: {enabled: off}\nssh_service: {enabled: off}\nteleport: {proxy_server: "a.test:443"}\ndiscovery_service:\n  enabled: "yes"\n  discovery_group: g\n  aws: [{${matcher}}]\n`,
    );
    const { Statement } = await printed('-c', file);
    expect(Statement[0]!.Resource).toEqual(['arn:aws:eks:eu-west-1:*:cluster/*']);
    expect(Statement.at(-1)).toMatchObject({
      Action: ['sts:AssumeRole'],
      Resource: ['arn:aws:iam::222222222222:role/look'],
    });
  });

  test('makes and attaches it once, however often it is run', async () => {
    const first = await run('--attach-to-role=discovery', '--confirm');
    expect(first).toMatchObject({ code: 0 });
    expect(first.out).toContain(`${policyArn} was made`);
    expect(policyNow()).toMatchObject({
      document: await printed(),
      versions: 1,
      attachedTo: ['role/discovery'],
    });
    const again = await run('--attach-to-user=ci', '--confirm');
    expect(again.out).toBe(`${policyArn} is attached to the user ci\n`);
    expect(policyNow()).toMatchObject({ versions: 1, attachedTo: ['role/discovery', 'user/ci'] });
  });

  test('that says something else becomes a new version, and the oldest goes when there are five', async () => {
    for (let account = 0; account < 7; account += 1)
      await run('--attach-to-role=discovery', '--confirm', `--account=${String(account).padStart(12, '0')}`);
    const { document, versions } = policyNow();
    expect(versions).toBe(5);
    expect(document.Statement[0]!.Resource).toEqual(['arn:aws:eks:*:000000000006:cluster/*']);
  });

  test('changes nothing unless somebody agreed', async () => {
    const { err, code } = await run('--attach-to-role=discovery');
    expect({ err, code }).toMatchObject({ err: expect.stringContaining('--confirm'), code: 2 });
    expect((await run('--attach-to-role=discovery', '--manual')).code).toBe(0);
    expect(aws.iam.calls).toEqual([]);
  });

  test.each([
    ['a role that is not there', 'GetRole', ['--attach-to-role=nobody', '--confirm'], ''],
    ['a user that is not there', 'GetUser', ['--attach-to-user=nobody', '--confirm'], ''],
    [
      'a policy that may not be made',
      'CreatePolicy',
      ['--attach-to-role=discovery', '--confirm'],
      'CreatePolicy',
    ],
    [
      'one that may not be attached',
      'AttachRolePolicy',
      ['--attach-to-role=discovery', '--confirm'],
      'AttachRolePolicy',
    ],
  ])('names what IAM did not do: %s', async (_, action, args, denied) => {
    if (denied !== '') aws.iam.denied.add(denied);
    const { err, code } = await run(...args);
    expect(err).toContain(`iam:${action} failed`);
    expect(code).toBe(4);
  });

  test.each([
    ['an account that is none', ['--account=12'], 'has 12 digits'],
    ['regions of two partitions', ['--region=cn-north-1,eu-west-1'], 'one partition'],
    ['a role and a user', ['--attach-to-role=a', '--attach-to-user=b'], 'not both'],
  ])('refuses %s', async (_, args, message) => {
    expect((await run(...args)).err).toContain(message);
  });
});

test('a policy is made by an ARN of the account of whoever it is attached to', async () => {
  const policy: IamPolicy = { Version: '2012-10-17', Statement: [] };
  const { arn } = await attachPolicy('P', policy, { kind: 'role', name: 'discovery', region: 'us-east-1' });
  expect(arn).toBe(`arn:aws:iam::${account}:policy/P`);
});
