import { type Clock, failure } from '@postern/core';
import { type BucketPlace, type CallS3, openS3, type S3Answer } from './call-s3.ts';

export const S3Refused = failure(
  'unavailable',
  'aws.s3_refused',
  (operation: string, status: number, code: string) => `S3 refused ${operation}: ${status} ${code}`,
);

/** The content of an object that is to be. */
export interface NewObject {
  readonly key: string;
  readonly bytes: number;
  readonly chunks: AsyncIterable<Buffer>;
}

/** Objects of a bucket that are written once. */
export interface Bucket {
  /** Writes an object that is not there yet; false where there is one, which stays as it is. Nothing is there before all of it is. */
  putNew(object: NewObject): Promise<boolean>;
  /** The bytes from a place on; fewer at the end. */
  read(key: string, offset: number, length: number): Promise<Buffer>;
}

// Parts but the last one have 5 MiB at least, and there are 10,000 at most
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
const partBytes = 8 * 1024 * 1024;
const maxParts = 10_000;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
const onlyIfNew = { 'if-none-match': '*' };

/** Opens a bucket with the credentials of this process. Nothing is sent yet. */
export async function openBucket(place: BucketPlace, clock: Clock): Promise<Bucket> {
  const call = await openS3(place, clock);
  return {
    putNew: (object) => (object.bytes <= partBytes ? putWhole(call, object) : putInParts(call, object)),
    async read(key, offset, length) {
      const headers = { range: `bytes=${offset}-${offset + length - 1}` };
      const answer = await call({ method: 'GET', key, headers });
      if (answer.status === 416) return Buffer.alloc(0);
      return need(answer, 'to read an object', [200, 206]).body;
    },
  };
}

async function putWhole(call: CallS3, { key, bytes, chunks }: NewObject): Promise<boolean> {
  const body = Buffer.concat(await Array.fromAsync(chunks));
  requireAll(body.length, bytes);
  const answer = await call({ method: 'PUT', key, headers: onlyIfNew, body });
  return answer.status !== 412 && isDone(answer, 'to write an object');
}

/** At most two parts are in memory. */
async function putInParts(call: CallS3, { key, bytes, chunks }: NewObject): Promise<boolean> {
  const begun = need(await call({ method: 'POST', key, query: { uploads: '' } }), 'to begin an upload');
  const uploadId = /<UploadId>([^<&]+)<\/UploadId>/.exec(begun.body.toString())?.[1];
  if (!uploadId) throw S3Refused('to begin an upload', begun.status, 'without an id');
  const give = async () => {
    const parts: string[] = [];
    let sent = 0;
    for await (const body of inParts(chunks, Math.max(partBytes, Math.ceil(bytes / maxParts)))) {
      const query = { partNumber: String(parts.length + 1), uploadId };
      const { headers, status } = need(await call({ method: 'PUT', key, query, body }), 'a part');
      const etag = /^"?([\w-]+)"?$/.exec(String(headers['etag']))?.[1];
      if (!etag) throw S3Refused('a part', status, 'without an ETag');
      parts.push(`<Part><PartNumber>${parts.length + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`);
      sent += body.length;
    }
    requireAll(sent, bytes);
    const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`;
    return call({ method: 'POST', key, query: { uploadId }, headers: onlyIfNew, body: Buffer.from(xml) });
  };
  const abort = () => call({ method: 'DELETE', key, query: { uploadId } }).catch(() => undefined);
  try {
    const answer = await give();
    if (answer.status !== 412) return isDone(answer, 'to complete an upload');
  } catch (error) {
    await abort();
    throw error;
  }
  await abort();
  return false;
}

async function* inParts(chunks: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < size) continue;
    yield Buffer.concat(held);
    [held, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(held);
}

function requireAll(found: number, expected: number): void {
  if (found !== expected) throw new Error(`there are ${found} bytes instead of ${expected}`);
}

/** S3 may have begun an answer with 200 before it knew that it would fail. */
function isDone(answer: S3Answer, operation: string): true {
  const { body, status } = need(answer, operation);
  if (body.includes('<Error>')) throw S3Refused(operation, status, codeIn(body));
  return true;
}

function need(answer: S3Answer, operation: string, statuses: readonly number[] = [200]): S3Answer {
  if (!statuses.includes(answer.status)) throw S3Refused(operation, answer.status, codeIn(answer.body));
  return answer;
}

function codeIn(body: Buffer): string {
  return /<Code>(\w{1,100})<\/Code>/.exec(body.subarray(0, 10_000).toString())?.[1] ?? '';
}
