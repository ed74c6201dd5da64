import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@postern/core';
import { type AwsRig, sessionOf, startAws, temporaryFolder } from '@postern/testkit';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readInstanceMetadata, signForSts } from '../src/index.ts';
import { webIdentity } from './support/web-identity.ts';

let aws: AwsRig;
let folder: string;
const role = { arn: 'arn:aws:iam::333333333333:role/node', id: 'AROAEXAMPLEROLE00001' };
const arnOf = (session: string) => `arn:aws:sts::333333333333:assumed-role/node/${session}`;

beforeAll(async () => {
  aws = await startAws();
});
afterAll(() => aws[Symbol.asyncDispose]());
beforeEach(() => {
  folder = temporaryFolder();
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined);
  // Files that are not there, and a metadata service that nobody runs.
  set({
    AWS_CONFIG_FILE: join(folder, randomUUID()),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, randomUUID()),
    AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:9',
  });
  aws.instance.documents.clear();
  delete aws.instance.role;
});
afterEach(() => vi.unstubAllEnvs());

function set(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

const sessionKey = (session: string) =>
  aws.accounts.issueKey(sessionOf(role, session), { isTemporary: true });

/** Who AWS says signed a request that this process signs now, and for which host it did. */
async function signer(): Promise<{ readonly arn: string | undefined; readonly host: string }> {
  const unsigned = {
    method: 'POST',
    body: 'Action=GetCallerIdentity&Version=2011-06-15',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'x-mine': 'a b',
    },
  };
  const signed = await signForSts(unsigned, { env: process.env, clock: systemClock });
  const { method, headers, body, url } = signed;
  const reply = await request(aws.stsUrl, { method: method as 'POST', headers, body });
  const { GetCallerIdentityResponse: answer } = (await reply.body.json()) as {
    GetCallerIdentityResponse?: { GetCallerIdentityResult: { Arn: string } };
  };
  return { arn: answer?.GetCallerIdentityResult.Arn, host: new URL(url).host };
}

describe('credentials are found', () => {
  test('in variables, with AWS_DEFAULT_REGION as the guide writes it', async () => {
    const { accessKeyId, secretAccessKey } = aws.accounts.issueKey({
      account: '333333333333',
      arn: 'arn:aws:iam::333333333333:user/eve',
      userId: 'AIDAEXAMPLEUSER00001',
    });
    set({
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_DEFAULT_REGION: 'eu-west-1',
    });
    expect(await signer()).toEqual({
      arn: 'arn:aws:iam::333333333333:user/eve',
      host: 'sts.eu-west-1.amazonaws.com',
    });
  });

  test('in variables, with a session', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = sessionKey('variables');
    set({
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken!,
    });
    set({ AWS_REGION: 'us-west-2', AWS_USE_FIPS_ENDPOINT: 'true' });
    expect(await signer()).toEqual({ arn: arnOf('variables'), host: 'sts-fips.us-west-2.amazonaws.com' });
  });

  test('in the shared files, with the region of the profile', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = sessionKey('files');
    const [config, credentials] = [join(folder, 'config'), join(folder, 'credentials')];
    await writeFile(config, '[profile node]\nregion = ap-south-1\n');
    await writeFile(
      credentials,
      `[node]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\naws_session_token = ${sessionToken}\n`,
    );
    set({ AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_PROFILE: 'node' });
    expect(await signer()).toEqual({ arn: arnOf('files'), host: 'sts.ap-south-1.amazonaws.com' });
  });

  test('by a web identity, as pods have it (IRSA)', async () => {
    set(await webIdentity(aws, role, join(folder, 'token')));
    set({ AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_STS: aws.stsUrl });
    expect(await signer()).toEqual({ arn: arnOf('pod'), host: 'sts.eu-west-1.amazonaws.com' });
  });

  test('by a container', async () => {
    aws.instance.role = { name: 'node', key: sessionKey('container') };
    set({ AWS_CONTAINER_CREDENTIALS_FULL_URI: aws.containerCredentialsUrl, AWS_REGION: 'eu-west-1' });
    expect((await signer()).arn).toBe(arnOf('container'));
  });

  test('by an instance, which also tells its region', async () => {
    aws.instance.role = { name: 'node', key: sessionKey('i-0123') };
    aws.instance.documents.set('/latest/meta-data/placement/region', 'sa-east-1');
    set({ AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.metadataUrl });
    expect(await signer()).toEqual({ arn: arnOf('i-0123'), host: 'sts.sa-east-1.amazonaws.com' });
  });
});

test('without a region the global host is signed for', async () => {
  const { accessKeyId, secretAccessKey, sessionToken } = sessionKey('global');
  set({
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken!,
  });
  expect(await signer()).toEqual({ arn: arnOf('global'), host: 'sts.amazonaws.com' });
});

test('what cannot be signed says why', async () => {
  set({ AWS_REGION: 'eu-west-1' });
  await expect(signer()).rejects.toThrow('no AWS credentials were found');
  set({ AWS_REGION: 'us-attacker-1' });
  await expect(signer()).rejects.toThrow('"us-attacker-1" has no STS host');
  set({ AWS_REGION: 'eu-west-1', AWS_USE_FIPS_ENDPOINT: 'true' });
  await expect(signer()).rejects.toThrow('"eu-west-1" has no FIPS STS host');
});

test('instance metadata is read with a session token, and not for long', async () => {
  aws.instance.documents.set('/latest/x', 'text');
  const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.metadataUrl };
  expect(await readInstanceMetadata('/latest/x', { env })).toBe('text');
  await expect(readInstanceMetadata('/latest/y', { env })).rejects.toThrow('status 404');
  aws.instance.documents.set('/latest/x', 'x'.repeat(100_000));
  await expect(readInstanceMetadata('/latest/x', { env })).rejects.toThrow('too large');
});
