import { createHash } from 'node:crypto';
import type { Bucket } from '@postern/aws';
import { recordingPartBytes } from '@postern/contracts';
import type { ContentRef, ContentStore } from './content-store.ts';
import { RecordingDiffers } from './failures.ts';
import type { LargeObjects } from './large-objects.ts';

/**
 * Contents as objects of a bucket. They come in parts too small for S3 and to any replica, so that they are large objects of
 * Postgres until they are whole, and go over then. An object is never written over: one that is there must be the same.
 */
export function s3Objects(bucket: Bucket, prefix: string, parts: LargeObjects): ContentStore {
  const keyOf = ({ sessionId }: ContentRef) => `${prefix}${sessionId}.cast`;
  return {
    write: (trx, ref, part) => parts.write(trx, ref, part),
    read(ref, offset, length) {
      const isHere = ref.content !== null;
      return isHere ? parts.read(ref, offset, length) : bucket.read(keyOf(ref), offset, length);
    },
    async settle(ref, { bytes, sha256 }) {
      const key = keyOf(ref);
      await bucket.putNew({
        key,
        bytes,
        chunks: chunksOf(bytes, (at, length) => parts.read(ref, at, length)),
      });
      const hash = createHash('sha256');
      for await (const chunk of chunksOf(bytes, (at, length) => bucket.read(key, at, length)))
        hash.update(chunk);
      if (hash.digest('hex') !== sha256) throw RecordingDiffers(ref.sessionId);
    },
    async release(trx, ref) {
      await parts.remove(trx, ref);
      return { content: null };
    },
  };
}

async function* chunksOf(
  bytes: number,
  read: (offset: number, length: number) => Promise<Buffer>,
): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes; offset += recordingPartBytes)
    yield await read(offset, Math.min(recordingPartBytes, bytes - offset));
}
