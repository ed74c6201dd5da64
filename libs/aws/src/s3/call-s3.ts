import { type Clock, delay, failure, messageOf } from '@postern/core';
import { Agent, request } from 'undici';
import { NoAwsCredentials } from '../identity/no-credentials.ts';
import { stsHostOf } from '../sts-hosts.ts';
import { Sha256 } from '../sha256.ts';

/** Where a bucket is. */
export interface BucketPlace {
  readonly bucket: string;
  readonly region: string;
  /** Of something that speaks as S3 does, `https://host:port`; S3 itself where absent. */
  readonly endpoint?: string | undefined;
}

/** A request for an object of a bucket. */
export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Of letters, digits, `.`, `_`, `-` and `/`, which mean themselves in a path. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Sends requests, each up to three times while the answer is that it may work later. */
export type CallS3 = (request: S3Request) => Promise<S3Answer>;

export const S3Unavailable = failure(
  'unavailable',
  'aws.s3_unavailable',
  (host: string, why: string) => `${host} does not answer: ${why}`,
);

export const UnknownS3Region = failure(
  'invalid_argument',
  'aws.unknown_s3_region',
  (region: string) =>
    `the region ${JSON.stringify(region.slice(0, 40))} has no S3 that is known here: name another one, or an endpoint`,
);

const attempts = 3;
const firstRetryMs = 200;
const timeoutMs = 30_000;
const maxAnswerBytes = 8 * 1024 * 1024;
const mayPass = new Set([429, 500, 502, 503, 504]);

/** Opens the way to a bucket, with the credentials of this process as the SDKs find them. Nothing is sent yet. */
export async function openS3(place: BucketPlace, clock: Clock): Promise<CallS3> {
  const base = baseUrl(place);
  const [{ SignatureV4 }, { defaultProvider }] = await Promise.all([
    import('@smithy/signature-v4'),
    import('@aws-sdk/credential-provider-node'),
  ]);
  // It keeps what it found until that ends.
  const provider = defaultProvider({ clientConfig: { region: place.region } });
  const credentials = () =>
    provider().catch((error: unknown) => {
      throw NoAwsCredentials.from(error, messageOf(error));
    });
  const signer = new SignatureV4({
    service: 's3',
    region: place.region,
    credentials,
    sha256: Sha256,
    // S3 alone of all services takes paths as they are.
    uriEscapePath: false,
    applyChecksum: true,
  });
  const dispatcher = new Agent({ connect: { timeout: 3000 }, connections: 8 });

  const once = async ({ method, key, query = {}, headers = {}, body }: S3Request): Promise<S3Answer> => {
    const url = new URL(`${base}/${key}`);
    const { hostname, port, protocol, pathname: path } = url;
    const unsigned = { method, hostname, port: Number(port), protocol, path, query };
    const signed = await signer.sign(
      { ...unsigned, headers: { ...headers, host: url.host }, body },
      { signingDate: clock() },
    );
    url.search = new URLSearchParams(query).toString();
    const answer = await request(url, {
      dispatcher,
      method,
      headers: signed.headers,
      body: body ?? null,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    return { status: answer.statusCode, headers: answer.headers, body: await bytesOf(answer.body) };
  };

  return async (asked) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await once(asked);
        if (!mayPass.has(answer.status) || attempt === attempts) return answer;
      } catch (error) {
        if (NoAwsCredentials.is(error)) throw error;
        if (attempt === attempts) throw S3Unavailable.from(error, new URL(base).host, messageOf(error));
      }
      await delay(firstRetryMs * 2 ** attempt);
    }
  };
}

function baseUrl({ bucket, region, endpoint }: BucketPlace): string {
  if (endpoint !== undefined) return `${endpoint}/${bucket}`;
  const sts = stsHostOf(region);
  if (!sts) throw UnknownS3Region(region);
  const suffix = sts.host.slice(`sts.${region}`.length);
  return `https://${bucket}.s3.${region}${suffix}`;
}

async function bytesOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
