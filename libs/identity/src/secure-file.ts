import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { failure, randomHex, Secret } from '@postern/core';

/** A file or directory that others could change or read, or that is not what it seems. */
export const UnsafeFile = failure(
  'failed_precondition',
  'identity.unsafe_file',
  (path: string, why: string) => `${path} is not safe to use: ${why}`,
);

/** A file that is not there. */
export const MissingFile = failure(
  'not_found',
  'identity.missing_file',
  (path: string) => `${path} does not exist`,
);

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/**
 * Writes a file that only its owner may read (0600), all of it or nothing: a new file beside it takes its place. A
 * symbolic link in its place is refused, because somebody else may have put it there.
 */
export async function writeSecureFile(path: string, text: string): Promise<void> {
  const there = await lstat(path).catch(ignoreMissing);
  if (there && !there.isFile()) throw UnsafeFile(path, 'it is not a regular file');
  const temporary = join(dirname(path), `.${basename(path)}.${randomHex(8)}`);
  const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await writeAndClose(file, text);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(ignoreMissing);
    throw error;
  }
}

/** Makes a directory that only its owner may enter (0700) unless it is there, and refuses one of another user's. */
export async function ensureSecureDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = await lstat(path);
  if (!found.isDirectory()) throw UnsafeFile(path, 'it is not a directory');
  const owners = [process.getuid?.(), 0, undefined];
  if (!owners.includes(found.uid) && process.getuid) throw UnsafeFile(path, 'it belongs to another user');
  if ((found.mode & 0o022) !== 0) throw UnsafeFile(path, 'others may write to it (chmod 700)');
}

/** How strictly a secret file is read. */
export interface SecretFileRules {
  readonly maxBytes?: number;
  /** For files of our own making: no symbolic link, and nobody but the owner may read it. */
  readonly own?: boolean;
}

const defaultMaxBytes = 256 * 1024;

/** Reads a file that holds a secret. One that everybody may read is refused. */
export async function readSecretFile(
  path: string,
  { maxBytes = defaultMaxBytes, own = false }: SecretFileRules = {},
): Promise<Secret> {
  // Non-blocking, so that a pipe put in the file's place cannot hang us.
  const file = await open(path, O_RDONLY | O_NONBLOCK | (own ? O_NOFOLLOW : 0)).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw MissingFile.from(error, path);
      throw UnsafeFile.from(
        error,
        path,
        error.code === 'ELOOP' ? 'it is a symbolic link' : `it cannot be opened (${error.code})`,
      );
    },
  );
  try {
    const { mode, size, isFile } = await describe(file);
    if (!isFile) throw UnsafeFile(path, 'it is not a regular file');
    if ((mode & (own ? 0o077 : 0o007)) !== 0) throw UnsafeFile(path, 'others may read it (chmod 600)');
    if (size > maxBytes) throw UnsafeFile(path, `it is larger than ${maxBytes} bytes`);
    return new Secret(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

async function describe(file: FileHandle): Promise<{ mode: number; size: number; isFile: boolean }> {
  const stat = await file.stat();
  return { mode: stat.mode, size: stat.size, isFile: stat.isFile() };
}

async function writeAndClose(file: FileHandle, text: string): Promise<void> {
  try {
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
