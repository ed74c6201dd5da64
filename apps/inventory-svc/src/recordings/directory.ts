import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentRef, ContentStore } from './content-store.ts';

/** Contents as files of a directory that every replica has. */
export function directory(path: string): ContentStore {
  const fileOf = ({ sessionId }: ContentRef) => join(path, `${sessionId}.cast`);
  return {
    async write(_, ref, { offset, data }) {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await using file = await open(fileOf(ref), constants.O_CREAT | constants.O_WRONLY, 0o600);
      await file.write(data, 0, data.length, offset);
      return { content: null };
    },
    async read(ref, offset, length) {
      await using file = await open(fileOf(ref), 'r');
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
    async settle(ref) {
      await using file = await open(fileOf(ref), 'r+');
      await file.sync();
      await using folder = await open(path, 'r');
      await folder.sync();
    },
    release: async (_, { content }) => ({ content }),
  };
}
