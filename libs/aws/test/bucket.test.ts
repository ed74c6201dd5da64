import { randomBytes } from 'node:crypto';
import { systemClock } from '@postern/core';
import { type AwsRig, startAws } from '@postern/testkit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Bucket, openBucket } from '../src/index.ts';

const mebibyte = 1024 * 1024;

let aws: AwsRig;
let bucket: Bucket;

beforeEach(async () => {
  aws = await startAws();
  const arn = 'arn:aws:iam::111122223333:user/recorder';
  const key = aws.accounts.issueKey({ account: '111122223333', arn, userId: 'AIDAEXAMPLE' });
  vi.stubEnv('AWS_ACCESS_KEY_ID', key.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', key.secretAccessKey);
  const place = { bucket: 'kept', region: 'eu-central-1', endpoint: aws.s3Url };
  bucket = await openBucket(place, systemClock);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await aws[Symbol.asyncDispose]();
});

/** An object in chunks, of which the first may be all that comes. */
function objectOf(content: Buffer, { fails = false } = {}) {
  const size = 384 * 1024;
  const chunks = async function* () {
    for (let at = 0; at < content.length; at += size) {
      yield content.subarray(at, at + size);
      if (fails && at > 9 * mebibyte) throw new Error('nothing more comes');
    }
  };
  return { key: 'below/one.cast', bytes: content.length, chunks: chunks() };
}

async function readAll(length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = 0; ; at += mebibyte) {
    const part = await bucket.read('below/one.cast', at, mebibyte);
    if (part.length === 0) return Buffer.concat(parts, length);
    parts.push(part);
  }
}

test.for([10, 8 * mebibyte, 8 * mebibyte + 1, 20 * mebibyte])(
  'an object of %d bytes is written and read again, byte for byte',
  async (bytes) => {
    const content = randomBytes(bytes);
    expect(await bucket.putNew(objectOf(content))).toBe(true);
    expect(aws.s3.objects.get('/kept/below/one.cast')?.equals(content)).toBe(true);
    expect((await readAll(bytes)).equals(content)).toBe(true);
    expect(aws.s3.uploads.size).toBe(0);
  },
);

test.for([10, 20 * mebibyte])(
  'an object that is there stays as it is, against one of %d bytes',
  async (bytes) => {
    const first = Buffer.from('the first');
    await bucket.putNew(objectOf(first));
    expect(await bucket.putNew(objectOf(randomBytes(bytes)))).toBe(false);
    expect(aws.s3.objects.get('/kept/below/one.cast')).toEqual(first);
    expect(aws.s3.uploads.size).toBe(0);
  },
);

test('an object whose content ends early is not there, and nothing is left of it', async () => {
  const content = randomBytes(20 * mebibyte);
  await expect(bucket.putNew(objectOf(content, { fails: true }))).rejects.toThrow('nothing more comes');
  const short = { ...objectOf(content.subarray(0, 9 * mebibyte)), bytes: 20 * mebibyte };
  await expect(bucket.putNew(short)).rejects.toThrow('instead of');
  expect(aws.s3.objects.size).toBe(0);
  expect(aws.s3.uploads.size).toBe(0);
});

test('what may work later is tried three times, and what will not once', async () => {
  aws.s3.failures = 2;
  expect(await bucket.putNew(objectOf(Buffer.from('one')))).toBe(true);
  aws.s3.failures = 3;
  await expect(bucket.read('below/one.cast', 0, 10)).rejects.toMatchObject({ code: 'aws.s3_refused' });
  const before = aws.s3.calls.length;
  await expect(bucket.read('below/none', 0, 10)).rejects.toThrow('404 NoSuchKey');
  expect(aws.s3.calls.slice(before)).toEqual(['GET /kept/below/none 404']);
});

test('a key that is not ours is refused, and an S3 that is not there is unavailable', async () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
  const place = { bucket: 'kept', region: 'eu-central-1', endpoint: aws.s3Url };
  const stranger = await openBucket(place, systemClock);
  await expect(stranger.read('below/one.cast', 0, 10)).rejects.toThrow('403 SignatureDoesNotMatch');
  const nowhere = await openBucket({ ...place, endpoint: 'http://127.0.0.1:9' }, systemClock);
  await expect(nowhere.read('a', 0, 1)).rejects.toMatchObject({ code: 'aws.s3_unavailable' });
  await expect(openBucket({ bucket: 'kept', region: 'eu-nowhere-1' }, systemClock)).rejects.toMatchObject({
    code: 'aws.unknown_s3_region',
  });
});
