import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { failure } from '@postern/core';
import { InputTooLarge, type Terminal } from './terminal.ts';

/** A file named on the command line that cannot be read. */
export const UnreadableFile = failure(
  'invalid_argument',
  'cli.unreadable_file',
  (path: string, why: string) => `cannot read ${path}: ${why}`,
);

/** More than any command takes; each parser has a stricter limit of its own. */
const maxBytes = 16 * 1024 * 1024;

/** Where a command reads from. */
export interface InputSource {
  readonly terminal: Terminal;
  readonly cwd: string;
}

/** The text of a file, or of standard input when the path is absent or `-`. */
export async function readInput({ terminal, cwd }: InputSource, path: string | undefined): Promise<string> {
  return path === undefined || path === '-' ? terminal.readInput(maxBytes) : readTextFile(resolve(cwd, path));
}

/** The text of a file. */
export function readTextFile(path: string): string {
  const file = open(path);
  try {
    const stats = fstatSync(file);
    if (stats.isDirectory()) throw UnreadableFile(path, 'it is a directory');
    if (stats.size > maxBytes) throw InputTooLarge(path, maxBytes);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw UnreadableFile.from(error, path, reasons[code ?? ''] ?? String(code));
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
};
