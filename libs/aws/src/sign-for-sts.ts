import { type Clock, failure } from '@postern/core';
import { ownCredentials } from './identity/own-credentials.ts';
import { type Environment, regionOf } from './region.ts';
import { globalStsHost, type StsHost, stsHostOf } from './sts-hosts.ts';
import { openSigner } from './signer.ts';

/** A region whose STS is not known here, or has no FIPS host. */
export const UnknownStsRegion = failure(
  'invalid_argument',
  'aws.unknown_sts_region',
  (region: string, kind: string) =>
    `the region ${JSON.stringify(region.slice(0, 40))} has no ${kind} host that is known here: set AWS_REGION to one that has`,
);

/** A request as it is to be signed. */
export interface Unsigned {
  readonly method: string;
  readonly body: string;
  /** Signed, all of them; host, date and token are added. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A signed request to STS. */
export interface SignedStsRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface SigningContext {
  readonly env: Environment;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Signs a request to the STS of this process's region with the credentials of this process; nothing is sent. */
export async function signForSts(
  { method, body, headers }: Unsigned,
  { env, clock, signal }: SigningContext,
): Promise<SignedStsRequest> {
  const { host, region } = await hostFor(env, signal);
  const credentials = await (await ownCredentials(region, env))();
  const signer = await openSigner({ service: 'sts', region, credentials });
  const request = {
    method,
    protocol: 'https:',
    hostname: host,
    path: '/',
    headers: { ...headers, host },
    body,
  };
  const signed = await signer.sign(request, { signingDate: clock() });
  return { method, url: `https://${host}/`, headers: lowerCased(signed.headers), body };
}

async function hostFor(env: Environment, signal?: AbortSignal): Promise<StsHost> {
  const isFips = env['AWS_USE_FIPS_ENDPOINT']?.toLowerCase() === 'true';
  const region = await regionOf(env, signal);
  if (region === undefined && !isFips) return globalStsHost;
  const found = stsHostOf(region ?? globalStsHost.region, { isFips });
  if (!found) throw UnknownStsRegion(region ?? '', isFips ? 'FIPS STS' : 'STS');
  return found;
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
