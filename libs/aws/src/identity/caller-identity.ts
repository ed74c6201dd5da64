import { isPlainObject } from '@postern/core';
import type { AwsLine } from '../call/call-aws.ts';
import { AwsMalformed } from '../call/refusals.ts';
import type { AwsCredentials } from '../eks/token.ts';
import type { Environment } from '../region.ts';
import { stsEndpoint } from './sts-endpoint.ts';

/** Who credentials belong to. */
export interface CallerIdentity {
  /** Twelve digits. */
  readonly account: string;
  readonly arn: string;
}

const action = 'sts:GetCallerIdentity';

/** Asks STS who somebody is; no policy can deny that. */
export async function callerIdentity(
  { env, line }: { readonly env: Environment; readonly line: AwsLine },
  region: string,
  as: AwsCredentials,
): Promise<CallerIdentity> {
  const answer = await line.call(
    {
      action,
      where: region,
      service: 'sts',
      region,
      endpoint: stsEndpoint(env, region),
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    },
    as,
  );
  const result = ['GetCallerIdentityResponse', 'GetCallerIdentityResult'].reduce<unknown>(
    (value, name) => (isPlainObject(value) ? value[name] : undefined),
    answer,
  );
  const { Account: account, Arn: arn } = isPlainObject(result) ? result : {};
  const isKnown = typeof account === 'string' && /^\d{12}$/.test(account);
  if (!isKnown || typeof arn !== 'string' || !arn.startsWith('arn:'))
    throw AwsMalformed(action, region, 'it names no account');
  return { account, arn };
}
