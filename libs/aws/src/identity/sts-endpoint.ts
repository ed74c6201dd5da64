import type { Environment } from '../region.ts';
import { UnknownStsRegion } from '../sign-for-sts.ts';
import { stsHostOf } from '../sts-hosts.ts';

/** Where to ask STS about a region: `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`, or the host of the region. */
export function stsEndpoint(env: Environment, region: string): string {
  const isFips = env['AWS_USE_FIPS_ENDPOINT']?.toLowerCase() === 'true';
  const host = stsHostOf(region, { isFips });
  if (!host) throw UnknownStsRegion(region, isFips ? 'FIPS STS' : 'STS');
  return env['AWS_ENDPOINT_URL_STS'] || env['AWS_ENDPOINT_URL'] || `https://${host.host}`;
}
