import { createHash, randomBytes } from 'node:crypto';
import { type IssuedKey, type SignableRequest, verifySignature } from './signature.ts';

/** Buckets of a little S3: objects by `/<bucket>/<key>`, and what goes on. */
export class S3State {
  readonly objects = new Map<string, Buffer>();
  /** Parts of uploads that are not complete, by their ids. */
  readonly uploads = new Map<string, Map<number, Buffer>>();
  /** What was asked, `METHOD /bucket/key?query`, and the status of the answer. */
  readonly calls: string[] = [];
  /** So many of the next requests are answered with 503. */
  failures = 0;
}

/** What S3 answers. */
export interface S3Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

interface Asked extends SignableRequest {
  readonly body: Buffer;
}

const smallestPartBytes = 5 * 1024 * 1024;

/** Answers as S3 does: who signed it, whether the body is what was signed, and then the few operations there are here. */
export function answerAsS3(
  asked: Asked,
  s3: S3State,
  { keys, at }: { readonly keys: ReadonlyMap<string, IssuedKey>; readonly at: Date },
): S3Reply {
  const reply = refusalOf(asked, s3, { keys, at }) ?? operate(asked, s3);
  s3.calls.push(`${asked.method} ${asked.target} ${reply.status}`);
  return reply;
}

function refusalOf(
  asked: Asked,
  s3: S3State,
  { keys, at }: { readonly keys: ReadonlyMap<string, IssuedKey>; readonly at: Date },
): S3Reply | undefined {
  const verdict = verifySignature(asked, { keys, at, service: 's3', region: undefined });
  if ('code' in verdict) return error(verdict.status, verdict.code);
  if (asked.headers['x-amz-content-sha256'] !== createHash('sha256').update(asked.body).digest('hex'))
    return error(400, 'XAmzContentSHA256Mismatch');
  if (s3.failures === 0) return undefined;
  s3.failures -= 1;
  return error(503, 'SlowDown');
}

function operate(asked: Asked, s3: S3State): S3Reply {
  const url = new URL(asked.target, 'http://s3');
  const { pathname: path, searchParams: query } = url;
  const uploadId = query.get('uploadId');
  if (asked.method === 'GET') return get(s3, path, asked.headers['range']);
  if (asked.method === 'POST' && query.has('uploads')) return begin(s3);
  if (uploadId === null)
    return asked.method === 'PUT' ? put(s3, path, asked) : error(405, 'MethodNotAllowed');
  const parts = s3.uploads.get(uploadId);
  if (!parts) return error(404, 'NoSuchUpload');
  if (asked.method === 'PUT') return keep(parts, Number(query.get('partNumber')), asked.body);
  if (asked.method === 'DELETE') {
    s3.uploads.delete(uploadId);
    return { status: 204 };
  }
  const reply = complete(s3, { path, parts, asked });
  if (reply.status === 200) s3.uploads.delete(uploadId);
  return reply;
}

function get({ objects }: S3State, path: string, range: string | undefined): S3Reply {
  const object = objects.get(path);
  if (!object) return error(404, 'NoSuchKey');
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (from === undefined) return { status: 200, body: object };
  if (Number(from) >= object.length) return error(416, 'InvalidRange');
  return { status: 206, body: object.subarray(Number(from), Number(to) + 1) };
}

function put(s3: S3State, path: string, { headers, body }: Asked): S3Reply {
  if (headers['if-none-match'] === '*' && s3.objects.has(path)) return error(412, 'PreconditionFailed');
  s3.objects.set(path, body);
  return { status: 200, headers: { etag: etagOf(body) } };
}

function begin({ uploads }: S3State): S3Reply {
  const id = randomBytes(12).toString('hex');
  uploads.set(id, new Map());
  return {
    status: 200,
    body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
  };
}

function keep(parts: Map<number, Buffer>, number: number, body: Buffer): S3Reply {
  parts.set(number, body);
  return { status: 200, headers: { etag: etagOf(body) } };
}

function complete(
  s3: S3State,
  { path, parts, asked }: { path: string; parts: ReadonlyMap<number, Buffer>; asked: Asked },
): S3Reply {
  const named = [...asked.body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag>/g)];
  const bodies = named.map(([, number]) => parts.get(Number(number)));
  if (named.some(([, , etag], at) => !bodies[at] || etag !== etagOf(bodies[at])))
    return error(400, 'InvalidPart');
  if (bodies.slice(0, -1).some((body) => body!.length < smallestPartBytes))
    return error(400, 'EntityTooSmall');
  const { status, ...more } = put(s3, path, { ...asked, body: Buffer.concat(bodies as Buffer[]) });
  return { ...more, status, body: '<CompleteMultipartUploadResult/>' };
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function error(status: number, code: string): S3Reply {
  return { status, body: `<Error><Code>${code}</Code></Error>` };
}
