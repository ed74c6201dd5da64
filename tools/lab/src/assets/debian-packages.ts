import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, runCommand } from '../process/run-command.ts';
import { debianSources } from './debian-sources.ts';
import { findOnPath } from './find-on-path.ts';

/**
 * Debian's packages without installing any: they are downloaded and unpacked into a folder. No root is needed, no service
 * is started, and the machine's own package state stays as it is. Signatures are checked by apt as ever.
 */
export interface Apt {
  /** Unpacks those of the packages, and of what they depend on, that the machine has not installed. */
  unpack(packages: readonly string[], into: string): Promise<void>;
  /** The newest version of a source package. */
  sourceVersion(name: string): Promise<string>;
  /** Downloads the files of a source package. */
  downloadSource(name: string, version: string, into: string): Promise<void>;
}

/** Why packages cannot be had on this machine, or undefined when they can. */
export function whyNoApt(codename: string): string | undefined {
  if (!findOnPath('apt-get') || !findOnPath('dpkg')) return 'apt-get is not on this machine';
  const release = readFileSync('/etc/os-release', 'utf8');
  return release.includes(`VERSION_CODENAME=${codename}`)
    ? undefined
    : `this machine does not run Debian ${codename}`;
}

/** Reads the machine's Debian sources into a private folder. */
export async function openApt(dir: string, codename: string, options: CommandOptions): Promise<Apt> {
  const unfit = whyNoApt(codename);
  if (unfit) throw new Error(unfit);
  const apt = { ...options, env: { ...process.env, LC_ALL: 'C', APT_CONFIG: writeConfig(dir, codename) } };
  await runCommand('apt-get', ['-qq', 'update'], apt);
  return {
    async unpack(packages, into) {
      const debs = join(dir, 'debs');
      mkdirSync(debs, { recursive: true });
      const plan = await runCommand('apt-get', ['-s', '--no-install-recommends', 'install', ...packages], {
        ...apt,
        onLine: () => {},
      });
      const missing = [...plan.matchAll(/^Inst (\S+) (?!\[)/gm)].map((match) => match[1]!);
      if (missing.length === 0) return;
      await runCommand('apt-get', ['-qq', 'download', ...missing], { ...apt, cwd: debs });
      mkdirSync(into, { recursive: true });
      for (const deb of readdirSync(debs)) await runCommand('dpkg', ['-x', join(debs, deb), into], apt);
    },
    async sourceVersion(name) {
      const text = await runCommand('apt-cache', ['showsrc', '--only-source', name], {
        ...apt,
        onLine: () => {},
      });
      const versions = [...text.matchAll(/^Version: (.+)$/gm)].map((match) => match[1]!);
      const newest = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0];
      if (!newest) throw new Error(`Debian has no source package ${name}`);
      return newest;
    },
    async downloadSource(name, version, into) {
      mkdirSync(into, { recursive: true });
      await runCommand('apt-get', ['-qq', 'source', '--download-only', `${name}=${version}`], {
        ...apt,
        cwd: into,
      });
    },
  };
}

/** The environment in which programs from an unpacked folder find each other and their libraries. */
export function unpackedEnv(root: string): NodeJS.ProcessEnv {
  const bins = ['usr/sbin', 'usr/bin', 'sbin', 'bin'].map((dir) => join(root, dir));
  const libs = ['usr/lib', 'lib'].flatMap((dir) => libraryDirs(join(root, dir)));
  return {
    ...process.env,
    PATH: [process.env['PATH'], ...bins, '/usr/sbin', '/sbin'].join(':'),
    ...(libs.length > 0 ? { LD_LIBRARY_PATH: libs.join(':') } : {}),
  };
}

function libraryDirs(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith('-linux-gnu'))
      .map((name) => join(dir, name));
  } catch {
    return [];
  }
}

function writeConfig(dir: string, codename: string): string {
  const path = (...parts: string[]) => join(dir, ...parts);
  mkdirSync(path('lists', 'partial'), { recursive: true });
  mkdirSync(path('cache', 'archives', 'partial'), { recursive: true });
  const sources = debianSources(codename);
  if (!sources)
    throw new Error(`apt has no Debian ${codename} sources: add one under /etc/apt/sources.list.d`);
  writeFileSync(path('debian.sources'), sources);
  const settings = [
    `Dir::Etc::sourcelist "${path('debian.sources')}";`,
    'Dir::Etc::sourceparts "/dev/null";',
    `Dir::State::Lists "${path('lists')}";`,
    `Dir::Cache "${path('cache')}";`,
    // The download user cannot enter a folder of root's; and nothing of the system's is changed that wants a lock.
    'APT::Sandbox::User "root";',
    'Debug::NoLocking "true";',
  ];
  writeFileSync(path('apt.conf'), `${settings.join('\n')}\n`);
  return path('apt.conf');
}
