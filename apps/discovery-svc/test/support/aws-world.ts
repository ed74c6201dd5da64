import { type Eks, openEks } from '@postern/aws';
import { readAwsMatcher } from '@postern/config';
import { matcherKeyOf } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { type AwsRig, sessionOf, startAws } from '@postern/testkit';
import { vi } from 'vitest';
import { Pace } from '../../src/scanning/pace.ts';
import { scan, type Scan } from '../../src/scanning/scan.ts';
import type { Source } from '../../src/scanning/source.ts';

export const account = '333333333333';
export const place = { account, region: 'eu-west-1' };
export const scanner = { arn: `arn:aws:iam::${account}:role/scanner`, id: 'AROAEXAMPLEROLE00001' };

/** A little AWS, and this process with credentials in it. */
export interface AwsWorld extends AsyncDisposable {
  readonly aws: AwsRig;
  readonly eks: Eks;
  /** Looks at a source as a member does, a thousand times as fast. */
  look(source?: Source): Promise<Scan>;
}

export async function startAwsWorld(timeoutMs = 2_000): Promise<AwsWorld> {
  const aws = await startAws();
  vi.stubEnv('AWS_PROFILE', undefined);
  const key = aws.accounts.issueKey(sessionOf(scanner, 'one'), { isTemporary: true });
  vi.stubEnv('AWS_ACCESS_KEY_ID', key.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', key.secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', key.sessionToken);
  const env = { AWS_ENDPOINT_URL_STS: aws.stsUrl, AWS_ENDPOINT_URL_EKS: aws.eksUrl };
  const eks = openEks({ env, clock: systemClock, timeoutMs });
  return {
    aws,
    eks,
    look: (source = sourceOf()) =>
      scan(source, { eks, pace: quickPace(), signal: new AbortController().signal }),
    [Symbol.asyncDispose]: async () => {
      await eks[Symbol.asyncDispose]();
      await aws[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    },
  };
}

/** A source of this place, or of another. */
export function sourceOf(tags: Record<string, string> = { env: 'prod' }, as: Source['as'] = place): Source {
  const matcher = readAwsMatcher({ types: ['eks'], regions: [as.region], tags }, 'aws[0]');
  return { as, matcher, matcherKey: matcherKeyOf(matcher.tags) };
}

export function quickPace(): Pace {
  const limits = { maxRate: 20_000, minRate: 100, firstRetryMs: 1, maxRetryMs: 20 };
  return new Pace({ ...limits, throttledAttempts: 9, failedAttempts: 3 });
}
