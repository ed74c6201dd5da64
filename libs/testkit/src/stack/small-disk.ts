import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';

/** A file system of a few megabytes, which can be filled. */
export interface SmallDisk extends AsyncDisposable {
  /** Takes everything that is left. */
  fill(): void;
  /** Gives it back. */
  free(): void;
}

/** Mounts a small disk on a folder; undefined where that is not allowed, which is to whoever is not root. */
export async function mountSmallDisk(folder: string, megabytes: number): Promise<SmallDisk | undefined> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mounted = await runCommand('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${megabytes}m,mode=0700`,
    'tmpfs',
    folder,
  ]).catch(() => undefined);
  if (mounted?.code !== 0) return undefined;
  const ballast = join(folder, 'ballast');
  return {
    fill: () => fillWith(ballast, folder),
    free: () => rmSync(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await runCommand('umount', ['--lazy', folder]);
    },
  };
}

function fillWith(ballast: string, folder: string): void {
  const file = openSync(ballast, 'a');
  try {
    for (let size = 1024 * 1024; size > 0 && statfsSync(folder).bavail > 0;) {
      if (!wrote(file, size)) size >>= 2;
    }
  } finally {
    closeSync(file);
  }
}

function wrote(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size)) === size;
  } catch {
    // No room for so much.
    return false;
  }
}
