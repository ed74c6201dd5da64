import {
  constants,
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
} from 'node:fs';
import { rmSync, type Stats, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { failure, messageOf, randomHex } from '@postern/core';

/** The destination is not a plain file of the caller's own, so writing there could harm another file. */
export const UnsafeDestination = failure(
  'failed_precondition',
  'client.unsafe_destination',
  (path: string, why: string) => `refusing to write ${path}: ${why}`,
);

/** A file is there already and nobody said that it may be replaced. */
export const FileExists = failure(
  'already_exists',
  'client.file_exists',
  (path: string) => `${path} exists already; pass --overwrite, or choose another file`,
);

/** The file could not be written for a reason of the file system. */
export const FileNotWritten = failure(
  'failed_precondition',
  'client.file_not_written',
  (path: string, why: string) => `cannot write ${path}: ${why}`,
);

/** How a private file is written. */
export interface PrivateFileOptions {
  /** Replace what is there. Without it an existing file is an error. */
  readonly overwrite: boolean;
  /** Permission bits; owner only unless said. */
  readonly mode?: number;
}

/**
 * Writes a file that only its owner may read: a new file beside the destination, synced, then moved into place. A reader
 * sees the old content or the new one, also when the machine stops in between. Links are refused, for whoever placed one
 * chooses what gets overwritten.
 */
export function writePrivateFile(path: string, content: string, options: PrivateFileOptions): void {
  const previous = inspectDestination(path);
  if (previous && !options.overwrite) throw FileExists(path);
  const temporary = `${path}.${process.pid}.${randomHex(6)}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeSynced(temporary, content, options.mode ?? 0o600);
    moveIntoPlace(temporary, path, options.overwrite);
  } catch (error) {
    if (FileExists.is(error)) throw error;
    throw FileNotWritten.from(error, path, messageOf(error));
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** What is at the path now, or undefined. Throws where it is not a plain file with one name, owned by the caller. */
export function inspectDestination(path: string): Stats | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return undefined;
  if (stats.isSymbolicLink())
    throw UnsafeDestination(path, 'it is a symbolic link; name the file it points to');
  if (!stats.isFile()) throw UnsafeDestination(path, 'it is not a plain file');
  if (stats.nlink > 1) throw UnsafeDestination(path, 'it is a hard link to another file');
  if (stats.uid !== process.geteuid?.()) throw UnsafeDestination(path, 'it belongs to another user');
  return stats;
}

function writeSynced(path: string, content: string, mode: number): void {
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  const file = openSync(path, flags, mode);
  try {
    fchmodSync(file, mode);
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** `link` fails where a file is, `rename` replaces it: so two writers that may not overwrite cannot both succeed. */
function moveIntoPlace(temporary: string, path: string, overwrite: boolean): void {
  if (overwrite) return renameSync(temporary, path);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw FileExists.from(error, path);
    throw error;
  }
}
