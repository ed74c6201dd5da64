import type { BucketPlace } from '@postern/aws';
import { InvalidRecordingsStore } from './failures.ts';

/** Where contents of recordings are to be kept. */
export type StorePlace =
  | { readonly kind: 'postgres' }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 's3'; readonly place: BucketPlace; readonly prefix: string };

// Dots would be further labels of a host name, for which S3 has no certificate.
const bucketName = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const prefixPath = /^(?:\/[\w-][\w.-]*)*\/?$/;
const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Reads `POSTERN_RECORDINGS_STORE`. Throws InvalidRecordingsStore. */
export function readStorePlace(text: string): StorePlace {
  if (text === 'postgres') return { kind: 'postgres' };
  if (text.startsWith('dir:/')) return { kind: 'directory', path: text.slice('dir:'.length) };
  const url = URL.parse(text);
  if (url?.protocol !== 's3:') throw InvalidRecordingsStore('it is none of them');
  const { hostname: bucket, pathname, searchParams } = url;
  if (!bucketName.test(bucket)) throw InvalidRecordingsStore('the bucket is not named as it may be');
  if (url.host !== bucket || url.username !== '' || url.hash !== '')
    throw InvalidRecordingsStore('there is more in it than a bucket, a prefix and parameters');
  if (!prefixPath.test(pathname))
    throw InvalidRecordingsStore('a prefix is made of letters, digits, ".", "_", "-" and "/"');
  const { region, endpoint } = parametersOf(searchParams);
  const prefix = pathname.replace(/^\//, '').replace(/([^/])$/, '$1/');
  return { kind: 's3', place: { bucket, region, endpoint }, prefix };
}

function parametersOf(given: URLSearchParams): { region: string; endpoint: string | undefined } {
  const unknown = [...given.keys()].find((name) => name !== 'region' && name !== 'endpoint');
  if (unknown !== undefined) throw InvalidRecordingsStore(`the parameter ${unknown} is unknown`);
  const region = given.get('region') ?? '';
  if (!/^[a-z0-9-]{1,40}$/.test(region)) throw InvalidRecordingsStore('the region is missing');
  const endpoint = given.get('endpoint');
  return { region, endpoint: endpoint === null ? undefined : originOf(endpoint) };
}

/** What people did in clusters does not travel in the clear, but on this machine. */
function originOf(endpoint: string): string {
  const url = URL.parse(endpoint);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.has(url.hostname));
  if (!url || !isSafe) throw InvalidRecordingsStore('an endpoint begins with https://');
  if (url.href !== `${url.origin}/`) throw InvalidRecordingsStore('an endpoint is a host and a port');
  return url.origin;
}
