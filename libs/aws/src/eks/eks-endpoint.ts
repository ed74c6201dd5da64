import { failure } from '@postern/core';
import type { Environment } from '../region.ts';
import { stsHostOf } from '../sts-hosts.ts';

export const UnknownEksRegion = failure(
  'invalid_argument',
  'aws.unknown_eks_region',
  (region: string) => `the region ${JSON.stringify(region.slice(0, 40))} has no EKS that is known here`,
);

/** Where EKS of a region is: `AWS_ENDPOINT_URL_EKS`, `AWS_ENDPOINT_URL`, or its host, the one for FIPS where that is asked for. */
export function eksEndpoint(env: Environment, region: string): string {
  const isFips = env['AWS_USE_FIPS_ENDPOINT']?.toLowerCase() === 'true';
  const sts = stsHostOf(region, { isFips });
  if (!sts) throw UnknownEksRegion(region);
  const suffix = sts.host.slice(sts.host.indexOf(`.${region}.`));
  const name = isFips && sts.host.startsWith('sts-fips.') ? 'fips.eks' : 'eks';
  return env['AWS_ENDPOINT_URL_EKS'] || env['AWS_ENDPOINT_URL'] || `https://${name}${suffix}`;
}
