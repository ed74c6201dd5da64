import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type AwsRig, startAws, startHttpProxy, startTlsFront } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { webIdentity } from './support/web-identity.ts';

const run = promisify(execFile);
const sts = 'sts.eu-west-1.amazonaws.com';
const elsewhere = 'sts.aws.test';
const script = join(import.meta.dirname, 'support/signing-process/main.ts');
const scope = new AsyncDisposableStack();
let aws: AwsRig;
let env: Record<string, string>;
let port: number;

beforeAll(async () => {
  aws = scope.use(await startAws());
  const folder = await mkdtemp(join(tmpdir(), 'aws-proxy-'));
  scope.defer(() => rm(folder, { recursive: true }));
  const front = scope.use(await startTlsFront([sts, elsewhere], Number(new URL(aws.stsUrl).port)));
  ({ port } = front);
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, front.ca);
  const role = { arn: 'arn:aws:iam::333333333333:role/node', id: 'AROAEXAMPLEROLE00001' };
  env = {
    ...(await webIdentity(aws, role, join(folder, 'token'))),
    AWS_REGION: 'eu-west-1',
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    AWS_EC2_METADATA_DISABLED: 'true',
    NODE_EXTRA_CA_CERTS: ca,
  };
});
afterAll(() => scope.disposeAsync());

/** The key that a process of its own found, or why it found none. */
async function found(variables: Record<string, string | undefined>): Promise<string> {
  const { stdout } = await run(process.execPath, [script], { env: { ...env, ...variables } });
  return stdout.trim();
}

describe('a web identity', () => {
  test.each(['HTTPS_PROXY', 'https_proxy'])(
    'is shown to STS through the proxy of %s, over TLS of an authority of its own',
    async (name) => {
      await using proxy = await startHttpProxy({ [sts]: port });
      const before = aws.stsCalls.length;
      expect(await found({ [name]: proxy.url })).toMatch(/^ASIA/);
      expect(proxy.asked).toEqual([`${sts}:443`]);
      expect(aws.stsCalls.slice(before)).toMatchObject([
        { action: 'AssumeRoleWithWebIdentity', status: 200 },
      ]);
    },
  );

  test('is not shown to an STS of an authority that is not trusted', async () => {
    await using proxy = await startHttpProxy({ [sts]: port });
    const before = aws.stsCalls.length;
    const said = await found({ HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: undefined });
    expect(said).toContain('no AWS credentials were found');
    expect(aws.stsCalls).toHaveLength(before);
  });

  test('goes without the proxy where NO_PROXY says so', async () => {
    await using proxy = await startHttpProxy({ [elsewhere]: port });
    const own = {
      AWS_ENDPOINT_URL_STS: `https://${elsewhere}`,
      HTTPS_PROXY: proxy.url,
      AWS_MAX_ATTEMPTS: '1',
    };
    expect(await found({ ...own, NO_PROXY: elsewhere })).toContain('no AWS credentials were found');
    expect(proxy.asked).toEqual([]);
    expect(await found(own)).toMatch(/^ASIA/);
  });
});
