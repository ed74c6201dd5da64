import { readFileSync, statSync } from 'node:fs';

/** A value that may be given as itself or as the absolute path of a file that holds it, such as `token_name`. */
export function textOrFile(value: string): string {
  if (!value.startsWith('/') || !statSync(value, { throwIfNoEntry: false })?.isFile()) return value;
  return readFileSync(value, 'utf8').trim();
}
