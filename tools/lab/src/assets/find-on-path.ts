import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The program of this name in one folder, if it is there and may be run. */
export function findIn(dir: string | undefined, name: string): string | undefined {
  if (!dir) return undefined;
  const file = join(dir, name);
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}

/** The program that a shell would run for this name. The system folders count even when PATH leaves them out. */
export function findOnPath(name: string): string | undefined {
  const dirs = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const dir of dirs) {
    const file = findIn(dir, name);
    if (file) return file;
  }
  return undefined;
}
