import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type LocatedIdentity, writePrivateFile } from '@postern/client';

/** A short-lived certificate with its key. */
export interface KubeCredential {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  /** RFC 3339. */
  readonly notAfter: string;
  readonly proxy: string;
}

/** Where the credential of an identity for a cluster is kept. */
export interface CacheKey {
  readonly located: LocatedIdentity;
  /** `host:port` */
  readonly proxy: string;
  readonly teleportCluster: string;
}

/** A certificate with less time left is not handed out any more. */
export const marginMs = 60_000;

/**
 * Path of the cached credential. The identity file's content is part of the name: another identity in the same file, for
 * another user, never gets the credential of the one before.
 */
export function cachePath({ located, proxy, teleportCluster }: CacheKey): string {
  const hash = createHash('sha256').update(readFileSync(located.path));
  for (const part of [proxy, teleportCluster]) hash.update(`\0${part}`);
  return join(located.stateDir, `kube-${hash.digest('hex').slice(0, 40)}.json`);
}

/** The cached credential, if it is good for longer than the margin. */
export function readCached(path: string, now: Date): KubeCredential | undefined {
  try {
    const credential = JSON.parse(readFileSync(path, 'utf8')) as KubeCredential;
    return Date.parse(credential.notAfter) - now.getTime() > marginMs ? credential : undefined;
  } catch {
    // Absent, or half a file of a full disk: a new one is fetched.
    return undefined;
  }
}

/** Stores a credential and drops those that are over. */
export function writeCached(path: string, credential: KubeCredential, now: Date): void {
  const folder = join(path, '..');
  for (const { file, content } of cachedIn(folder)) {
    if (!(Date.parse(content.notAfter) > now.getTime())) rmSync(file, { force: true });
  }
  writePrivateFile(path, `${JSON.stringify(credential)}\n`, { overwrite: true });
}

/** Removes every cached credential, or those of one proxy. Returns the proxies they were for. */
export function forgetCached(folder: string, proxy?: string): Set<string> {
  const forgotten = cachedIn(folder).filter(({ content }) => proxy === undefined || content.proxy === proxy);
  for (const { file } of forgotten) rmSync(file, { force: true });
  return new Set(forgotten.map(({ content }) => content.proxy));
}

function cachedIn(folder: string): { file: string; content: KubeCredential }[] {
  return namesIn(folder).flatMap((name) => {
    try {
      const file = join(folder, name);
      return [{ file, content: JSON.parse(readFileSync(file, 'utf8')) as KubeCredential }];
    } catch {
      return [];
    }
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^kube-[0-9a-f]{40}\.json$/.test(name));
  } catch {
    return [];
  }
}
