import { AwsAccounts, type KubeIdentity, sessionOf, whoSigned } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { signEksToken } from '../src/index.ts';

const minute = 60_000;
const role = { arn: 'arn:aws:iam::111111111111:role/kube-agents', id: 'AROAKUBEAGENTS' };
const agents: KubeIdentity = { username: 'postern', groups: ['teleport:kube-service:eks'] };

function setup({ expires }: { readonly expires?: Date } = {}) {
  const accounts = new AwsAccounts();
  const key = accounts.issueKey(sessionOf(role, 'i-1'), {
    isTemporary: true,
    ...(expires ? { expires } : {}),
  });
  const sign = (cluster = 'blue', region = 'eu-west-1') =>
    signEksToken(
      { cluster, region },
      { ...key, ...(expires ? { expiration: expires } : {}) },
      () => new Date(),
    );
  const ask = (token: string, { cluster = 'blue', afterMs = 0 } = {}) =>
    whoSigned(token, {
      accounts,
      cluster,
      clock: () => new Date(Date.now() + afterMs),
      entryOf: ({ arn }) => (arn.endsWith('assumed-role/kube-agents/i-1') ? agents : undefined),
    });
  return { sign, ask };
}

describe('a token for EKS', () => {
  test.each(['eu-west-1', 'us-gov-west-1', 'cn-north-1'])('of %s is taken by its cluster', async (region) => {
    const { sign, ask } = setup();
    const { token } = await sign('blue', region);
    expect(token).toMatch(/^k8s-aws-v1\.[A-Za-z0-9_-]+$/);
    expect(ask(token)).toEqual(agents);
  });

  test('is worth nothing at another cluster', async () => {
    const { sign, ask } = setup();
    const { token } = await sign('green');
    expect(ask(token)).toBeUndefined();
  });

  test('is good for fourteen minutes, though it says one', async () => {
    const { sign, ask } = setup();
    const before = Date.now();
    const { token, goodUntil } = await sign();
    expect(goodUntil.getTime() - before).toBeGreaterThanOrEqual(14 * minute);
    expect(goodUntil.getTime() - Date.now()).toBeLessThanOrEqual(14 * minute);
    expect(ask(token, { afterMs: 14 * minute })).toEqual(agents);
    expect(ask(token, { afterMs: 16 * minute })).toBeUndefined();
  });

  test('ends with the credentials that signed it', async () => {
    const expires = new Date(Date.now() + 5 * minute);
    const { sign, ask } = setup({ expires });
    const { token, goodUntil } = await sign();
    expect(goodUntil).toEqual(expires);
    expect(ask(token)).toEqual(agents);
    expect(ask(token, { afterMs: 6 * minute })).toBeUndefined();
  });

  test('for a region without an STS that is known is not made', async () => {
    const { sign } = setup();
    await expect(sign('blue', 'nowhere-1')).rejects.toMatchObject({ code: 'aws.unknown_sts_region' });
  });
});
