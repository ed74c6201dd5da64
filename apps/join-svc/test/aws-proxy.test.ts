import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Outbound } from '@postern/agent';
import { Secret } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import {
  type AwsRig,
  fixedClock,
  type HttpProxy,
  sessionOf,
  startAws,
  startHttpProxy,
  startTlsFront,
} from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openInstances } from '../src/methods/ec2/ask-ec2.ts';
import { openSts } from '../src/methods/iam/ask-sts.ts';
import { readSignedRequest, type SignedRequest } from '../src/methods/iam/signed-request.ts';
import { host, signedProof } from './iam/signer.ts';

const account = '333333333333';
const place = { account, region: 'eu-west-1', id: 'i-0123456789abcdef0' };
const role = { arn: `arn:aws:iam::${account}:role/describes`, id: 'AROAEXAMPLEROLE00001' };
const expected = { challenge: 'c'.repeat(72), request: 'b'.repeat(64) };
const ec2Host = 'ec2.eu-west-1.amazonaws.com';
const clock = fixedClock(new Date().toISOString());
const telemetry = silentTelemetry();
const scope = new AsyncDisposableStack();
let aws: AwsRig;
let proxy: HttpProxy;
let authorities: string[];

beforeAll(async () => {
  aws = scope.use(await startAws());
  const behind = async (name: string, url: string) =>
    scope.use(await startTlsFront([name], Number(new URL(url).port)));
  const [sts, ec2] = [await behind(host, aws.stsUrl), await behind(ec2Host, aws.ec2Url)];
  proxy = scope.use(await startHttpProxy({ [host]: sts.port, [ec2Host]: ec2.port }));
  // What NODE_EXTRA_CA_CERTS names is among these.
  const before = getCACertificates('default');
  authorities = [sts.ca, ec2.ca];
  scope.defer(() => setDefaultCACertificates(before));
  setDefaultCACertificates([...before, ...authorities]);
  aws.accounts.roles.set(role.arn, role);
  aws.ec2.instances.push(place);
  const { accessKeyId, secretAccessKey } = aws.accounts.issueKey(sessionOf(role, 'join-svc'));
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', undefined);
  scope.defer(() => void vi.unstubAllEnvs());
});
beforeEach(() => (proxy.asked as string[]).splice(0));
afterAll(() => scope.disposeAsync());

async function askSts(outbound: Outbound): Promise<string> {
  await using sts = openSts({ clock, telemetry, outbound });
  const key = aws.accounts.issueKey(sessionOf(role, 'i-1'), { isTemporary: true });
  const proof = signedProof(key, expected) as unknown as SignedRequest;
  const facts = readSignedRequest(proof, { ...expected, at: new Date(), isFipsOnly: false });
  return await sts.ask(facts, { ...expected, sourceIp: '192.0.2.1' });
}

describe('through HTTPS_PROXY', () => {
  test('STS is asked who signed, under its own name and of an authority that the process trusts', async () => {
    const answer = await askSts(new Outbound({ httpsProxy: new Secret(proxy.url) }));
    expect(answer).toContain('assumed-role/describes/i-1');
    expect(proxy.asked).toEqual([`${host}:443`]);
  });

  test('STS and EC2 are asked about an instance', async () => {
    await using instances = openInstances({ clock, telemetry, env: { HTTPS_PROXY: proxy.url } });
    await instances.requireRunning(
      { accountId: account, instanceId: place.id, region: place.region },
      { role: role.arn, sourceIp: '192.0.2.1' },
    );
    expect(proxy.asked).toEqual([`${host}:443`, `${ec2Host}:443`]);
  });

  test('a proxy that refuses is an AWS that cannot be asked now, and its password is in no log', async () => {
    const wrong = proxy.url.replace('sesame', 'mud');
    await expect(askSts(new Outbound({ httpsProxy: new Secret(wrong) }))).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.not.stringContaining('407'),
    });
    expect(telemetry.lines.join('\n')).toContain('status 407');
    expect(telemetry.lines.join('\n')).not.toContain('mud');
  });

  test('nothing is asked of an STS of an authority that is not trusted (I-09)', async () => {
    const { length } = aws.stsCalls;
    const trusted = getCACertificates('default');
    setDefaultCACertificates(trusted.filter((each) => !authorities.includes(each)));
    try {
      const asking = askSts(new Outbound({ httpsProxy: new Secret(proxy.url) }));
      await expect(asking).rejects.toMatchObject({ kind: 'unavailable' });
    } finally {
      setDefaultCACertificates(trusted);
    }
    expect(aws.stsCalls).toHaveLength(length);
  });
});
