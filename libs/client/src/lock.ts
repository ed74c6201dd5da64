import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { delay, failure, randomHex } from '@postern/core';

/** Somebody else holds the lock file and did not let go of it in time. */
export const Locked = failure(
  'unavailable',
  'client.locked',
  (path: string) => `${path} is held by another process; if none is running, remove that file`,
);

const retryMs = 25;

/**
 * Runs `work` while holding the lock file `path`, which only one process can create. `path` is `<file>.lock`, the name
 * kubectl uses for kubeconfigs, so that the two keep out of each other's way. A lock whose owner died on this machine
 * is taken over.
 */
export async function withLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await acquire(path, Date.now() + waitMs);
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

async function acquire(path: string, deadline: number): Promise<void> {
  while (!created(path)) {
    removeIfAbandoned(path);
    if (Date.now() > deadline) throw Locked(path);
    await delay(retryMs);
  }
}

function created(path: string): boolean {
  // Written first and linked then: nobody ever sees a lock without its owner in it.
  const mine = `${path}.${process.pid}.${randomHex(6)}`;
  writeFileSync(mine, owner(process.pid), { flag: 'wx', mode: 0o600 });
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

function removeIfAbandoned(path: string): void {
  const seen = readOwner(path);
  if (seen === undefined || isAlive(seen)) return;
  const aside = `${path}.${process.pid}.${randomHex(6)}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  // Another waiter may have taken over in between: then what was moved is its lock, and it goes back.
  if (readOwner(aside) !== seen) linkQuietly(aside, path);
  rmSync(aside, { force: true });
}

function linkQuietly(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // A third process holds it by now.
  }
}

function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function owner(pid: number): string {
  return `${hostname()} ${pid}\n`;
}

/** A lock without a readable owner, or of another machine, counts as held. */
function isAlive(text: string): boolean {
  const pid = Number(/ (\d+)\n$/.exec(text)?.[1]);
  if (!Number.isSafeInteger(pid) || text !== owner(pid)) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
