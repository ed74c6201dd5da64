import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { isPlainObject } from '@postern/core';
import { writePrivateFile } from './private-file.ts';

/** The environment a command runs in; `process.env` fits. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A stored sign-in: which proxy, as whom, and the identity file that proves it. */
export interface Profile {
  /** `host:port` of the proxy. */
  readonly proxy: string;
  readonly user: string;
  readonly cluster: string;
  /** Absolute path of the identity file. */
  readonly identity: string;
}

/** The folder of profiles: `$TELEPORT_HOME`, or `~/.tsh`. */
export function profileHome(env: Environment): string {
  const home = env['TELEPORT_HOME'];
  return home ? resolve(home) : join(env['HOME'] || homedir(), '.tsh');
}

/** The profile of a proxy, or of the proxy signed in to last. */
export function readProfile(home: string, proxy?: string): Profile | undefined {
  const wanted = proxy ?? readText(join(home, 'current-profile'))?.trim();
  return wanted ? readProfileFile(home, wanted) : undefined;
}

/** Every stored profile, by proxy. */
export function readProfiles(home: string): Profile[] {
  return entriesOf(home)
    .map((name) => readProfileIn(join(home, name)))
    .filter((profile) => profile !== undefined)
    .toSorted((a, b) => a.proxy.localeCompare(b.proxy));
}

/** Stores a sign-in and makes it the current one. */
export function writeProfile(home: string, profile: Omit<Profile, 'identity'>, identityPem: string): Profile {
  const folder = profileFolder(home, profile.proxy);
  const { proxy, user, cluster } = profile;
  writePrivateFile(join(folder, 'identity.pem'), identityPem, { overwrite: true });
  writePrivateFile(join(folder, 'profile.json'), `${JSON.stringify({ proxy, user, cluster })}\n`, {
    overwrite: true,
  });
  writePrivateFile(join(home, 'current-profile'), `${proxy}\n`, { overwrite: true });
  return { proxy, user, cluster, identity: join(folder, 'identity.pem') };
}

/** Forgets a sign-in, its key included. */
export function removeProfile(home: string, proxy: string): void {
  rmSync(profileFolder(home, proxy), { recursive: true, force: true });
  if (readText(join(home, 'current-profile'))?.trim() === proxy)
    rmSync(join(home, 'current-profile'), { force: true });
}

function readProfileFile(home: string, proxy: string): Profile | undefined {
  return readProfileIn(profileFolder(home, proxy));
}

function readProfileIn(folder: string): Profile | undefined {
  const text = readText(join(folder, 'profile.json'));
  if (text === undefined) return undefined;
  const value = jsonOf(text);
  if (!isPlainObject(value)) return undefined;
  const { proxy, user, cluster } = value;
  if (typeof proxy !== 'string' || typeof user !== 'string' || typeof cluster !== 'string') return undefined;
  return { proxy, user, cluster, identity: join(folder, 'identity.pem') };
}

/** Addresses hold only letters, digits and `.:-_[]`, so this is one path step and no two proxies share it. */
function profileFolder(home: string, proxy: string): string {
  return join(
    home,
    `proxy-${proxy.replaceAll(/[^A-Za-z0-9.-]/g, (char) => `_${char.charCodeAt(0).toString(16)}`)}`,
  );
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith('proxy-'));
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
