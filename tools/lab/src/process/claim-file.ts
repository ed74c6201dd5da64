import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { randomHex } from '@postern/core';
import { isAlive, type ProcessIdentity, thisProcess } from './process-identity.ts';

/** What a claim file says: which process made it and, for a pid file, which child it started. */
export interface Claim {
  readonly owner: ProcessIdentity;
  readonly child?: ProcessIdentity;
}

/** Claims the file for this process. Answers undefined on success, else the claim that is already there. */
export function tryClaim(file: string): Claim | undefined {
  mkdirSync(dirname(file), { recursive: true });
  const claim: Claim = { owner: thisProcess() };
  // Written aside and linked: the file appears whole or not at all, and only one process can make it appear.
  const draft = `${file}.${randomHex(4)}`;
  writeFileSync(draft, JSON.stringify(claim), { mode: 0o600 });
  try {
    linkSync(draft, file);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return readClaim(file) ?? tryClaim(file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Adds the started child to a claim of this process. */
export function recordChild(file: string, child: ProcessIdentity): void {
  const draft = `${file}.${randomHex(4)}`;
  writeFileSync(draft, JSON.stringify({ owner: thisProcess(), child } satisfies Claim), { mode: 0o600 });
  renameSync(draft, file);
}

/** Takes away a claim whose owner is dead. A claim that a third process made meanwhile is put back. */
export function breakClaim(file: string, stale: Claim): void {
  const aside = `${file}.${randomHex(4)}`;
  try {
    renameSync(file, aside);
    const moved = readClaim(aside);
    if (moved && moved.owner.startedAt !== stale.owner.startedAt && isAlive(moved.owner))
      linkSync(aside, file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Gives up a claim of this process. */
export function releaseClaim(file: string): void {
  rmSync(file, { force: true });
}

/** Reads a claim; undefined when the file is gone. An unreadable one counts as made by a process that is dead. */
function readClaim(file: string): Claim | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Claim;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { owner: { pid: 0, startedAt: 'unreadable' } };
  }
}
