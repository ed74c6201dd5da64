import { chmodSync, copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a program into a folder of the cache. It appears there whole or not at all. */
export function installBinary(from: string, dir: string, name: string): string {
  mkdirSync(dir, { recursive: true });
  const draft = join(dir, `.${name}.${process.pid}`);
  copyFileSync(from, draft);
  chmodSync(draft, 0o755);
  const file = join(dir, name);
  renameSync(draft, file);
  return file;
}
