import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { failure } from '@postern/core';
import { type Environment, profileHome, readProfile } from './profile.ts';
import { proxyAddress } from './proxy-address.ts';

/** There is no identity to act as. */
export const NotLoggedIn = failure(
  'unauthenticated',
  'client.not_logged_in',
  () =>
    'Not logged in. Pass an identity file with -i, sign in with tsh login, or set POSTERN_DATA_DIR to the data directory of a local control plane',
);

/** An identity file was named that is not there. */
export const IdentityMissing = failure(
  'unauthenticated',
  'client.identity_missing',
  (path: string) => `identity file ${path} does not exist`,
);

/** Nothing says where the proxy is. */
export const ProxyUnknown = failure(
  'invalid_argument',
  'client.proxy_unknown',
  (path: string) => `${path} does not say which proxy it belongs to: pass --proxy=host:port`,
);

/** What decides which identity is used. */
export interface IdentityChoice {
  /** `-i` */
  readonly identity?: string | undefined;
  /** `--proxy` */
  readonly proxy?: string | undefined;
  readonly env: Environment;
  readonly cwd: string;
}

/** Where an identity lies. Finding it reads next to nothing; the file itself is not opened. */
export interface LocatedIdentity {
  readonly source: 'file' | 'profile' | 'data-dir';
  /** Absolute path of the identity file. */
  readonly path: string;
  /** `host:port`, unless only the identity file itself knows. */
  readonly proxy: string | undefined;
  /** Folder for what is derived from the identity, such as short-lived certificates. */
  readonly stateDir: string;
  /** The variable that makes another process find the same folder. */
  readonly stateVariable: { readonly name: 'TELEPORT_HOME' | 'POSTERN_DATA_DIR'; readonly value: string };
}

/**
 * The identity to act as: the file of `-i`, the file of `$TELEPORT_IDENTITY_FILE`, the stored profile, the admin of a
 * local data directory; the first of these that is there.
 */
export function locateIdentity(choice: IdentityChoice): LocatedIdentity {
  const proxy = addressOf(choice.proxy ?? choice.env['TELEPORT_PROXY']);
  const named = choice.identity || choice.env['TELEPORT_IDENTITY_FILE'];
  if (named) return namedFile(resolve(choice.cwd, named), proxy, choice);
  const found = storedProfile(choice.env, proxy) ?? dataDirectory(choice, proxy);
  if (!found) throw NotLoggedIn();
  return found;
}

/** The data directory of a local control plane: `$POSTERN_DATA_DIR`, or `.postern` in the working directory. */
export function dataDirOf(env: Environment, cwd: string): string {
  return resolve(cwd, env['POSTERN_DATA_DIR'] || '.postern');
}

function namedFile(path: string, proxy: string | undefined, choice: IdentityChoice): LocatedIdentity {
  if (!existsSync(path)) throw IdentityMissing(path);
  // The kubeconfig of a data directory's admin names the file and the directory: both ways lead to one cache.
  const admin = dataDirectory(choice, proxy);
  if (admin?.path === path) return admin;
  return { source: 'file', path, proxy, ...stateInHome(choice.env) };
}

function storedProfile(env: Environment, proxy: string | undefined): LocatedIdentity | undefined {
  const profile = readProfile(profileHome(env), proxy);
  if (!profile) return undefined;
  return { source: 'profile', path: profile.identity, proxy: profile.proxy, ...stateInHome(env) };
}

function dataDirectory({ env, cwd }: IdentityChoice, proxy: string | undefined): LocatedIdentity | undefined {
  const dataDir = dataDirOf(env, cwd);
  const path = join(dataDir, 'admin-identity.pem');
  if (!existsSync(path)) return undefined;
  const stateVariable = { name: 'POSTERN_DATA_DIR', value: dataDir } as const;
  return {
    source: 'data-dir',
    path,
    proxy: proxy ?? edgeOf(dataDir),
    stateDir: join(dataDir, 'tsh'),
    stateVariable,
  };
}

function stateInHome(env: Environment): Pick<LocatedIdentity, 'stateDir' | 'stateVariable'> {
  const home = profileHome(env);
  return { stateDir: join(home, 'credentials'), stateVariable: { name: 'TELEPORT_HOME', value: home } };
}

function edgeOf(dataDir: string): string | undefined {
  try {
    return addressOf(readFileSync(join(dataDir, 'proxy-addr'), 'utf8').trim());
  } catch {
    return undefined;
  }
}

function addressOf(text: string | undefined): string | undefined {
  return text ? proxyAddress(text) : undefined;
}
