import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { Secret } from '@postern/core';
import { field, type Field, type FieldOptions } from './field.ts';

const maxBytes = 64 * 1024;

/**
 * A variable that names a file with a secret, read at once. A file that everybody may read is refused; a group may,
 * because that is how Kubernetes hands a mounted Secret to a container.
 */
export function secretFile(variable: string, options: FieldOptions): Field<Secret> {
  return field(variable, options, (path) => new Secret(readSecret(path).trim()));
}

function readSecret(path: string): string {
  const file = openFile(path);
  try {
    const { mode, size, isFile } = describe(file);
    if (!isFile) throw new Error('must name a regular file');
    if ((mode & 0o007) !== 0) throw new Error('names a file that everybody may read: chmod 600 it');
    if (size > maxBytes) throw new Error('names a file that is too large for a secret');
    const text = readFileSync(file, 'utf8');
    if (text.trim() === '') throw new Error('names a file that is empty');
    return text;
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    // Non-blocking, so that a pipe in the file's place cannot hang the start.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new Error(`names a file that cannot be read: ${code}`, { cause: error });
  }
}

function describe(file: number): { mode: number; size: number; isFile: boolean } {
  const stat = fstatSync(file);
  return { mode: stat.mode, size: stat.size, isFile: stat.isFile() };
}
