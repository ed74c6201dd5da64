import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { failure } from '@postern/core';

/** A second process would publish and cut off what the first one still writes. */
export const FolderInUse = failure(
  'failed_precondition',
  'kube.data_dir_in_use',
  (folder: string) =>
    `${folder} is in use by another process: give each process a POSTERN_DATA_DIR of its own, or stop the other one first`,
);

/** The primary result code of SQLite for a lock that somebody else has (sqlite.org/rescode.html#busy). */
const sqliteBusy = 5;

interface SqliteError extends Error {
  readonly errcode?: number;
}

/**
 * Keeps a folder for this process until the answer is disposed of, or the process ends in whatever way. Throws FolderInUse. The
 * lock is one of the operating system's, on a file of SQLite that never holds anything: Node.js has no other way to such locks.
 */
export function holdFolder(folder: string): Disposable {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = new DatabaseSync(join(folder, 'lock'), { timeout: 0 });
  try {
    file.exec('pragma journal_mode = memory; begin exclusive');
  } catch (error) {
    file.close();
    throw (error as SqliteError).errcode === sqliteBusy ? FolderInUse.from(error, folder) : error;
  }
  return { [Symbol.dispose]: () => file.close() };
}
