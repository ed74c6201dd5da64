import { failure } from '@postern/core';
import type { Environment } from '../region.ts';
import { stsHostOf } from '../sts-hosts.ts';

/** A region whose EC2 is not known here. */
export const UnknownEc2Region = failure(
  'invalid_argument',
  'aws.unknown_ec2_region',
  (region: string) => `the region ${JSON.stringify(region.slice(0, 40))} has no EC2 that is known here`,
);

/** Where EC2 of a region is: `AWS_ENDPOINT_URL_EC2`, `AWS_ENDPOINT_URL`, or its host, the one for FIPS where that is asked for. */
export function ec2Endpoint(env: Environment, region: string): string {
  const isFips = env['AWS_USE_FIPS_ENDPOINT']?.toLowerCase() === 'true';
  const sts = stsHostOf(region, { isFips });
  if (!sts) throw UnknownEc2Region(region);
  const suffix = sts.host.slice(sts.host.indexOf(`.${region}.`));
  const name = sts.host.startsWith('sts-fips.') ? 'ec2-fips' : 'ec2';
  return env['AWS_ENDPOINT_URL_EC2'] || env['AWS_ENDPOINT_URL'] || `https://${name}${suffix}`;
}
