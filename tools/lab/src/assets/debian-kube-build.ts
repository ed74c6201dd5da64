import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from '../progress.ts';
import { runCommand } from '../process/run-command.ts';
import { cacheDir } from './cache-dir.ts';
import { type Apt, openApt, unpackedEnv } from './debian-packages.ts';
import { findIn, findOnPath } from './find-on-path.ts';
import { installBinary } from './install-binary.ts';
import type { KubeBinary } from './kube-binaries.ts';
import { debianBuild } from './kube-places.ts';
import type { ObtainOptions } from './official-kube.ts';

const release = 'bookworm';
const version = '1.20.2';
const go = 'go-1.19';
const reflect2 = 'github.com/modern-go/reflect2';
// All are built whatever is asked for: most of the time goes into what they share, and a second build would spend it again.
const programs = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
] as const;
const HEARTBEAT_MS = 20_000;
const NICENESS = 10;

/**
 * Builds Kubernetes 1.20.2 from Debian 12's source package, for a machine that reaches Debian's archive but not the
 * official one. Four to eight minutes on two cores, once. The caller holds the cache's lock.
 */
export async function buildKubeFromDebian({ need, progress, signal }: ObtainOptions): Promise<void> {
  const target = cacheDir('kube', debianBuild);
  const lacks = (name: KubeBinary) => !findIn(target, name);
  removeAbandonedBuilds();
  const work = cacheDir('kube', `.build-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    progress(`preparing ${need.join(', ')} from Debian's packages`);
    const apt = await openApt(join(work, 'apt'), release, { signal, onLine: progress });
    if (lacks('etcd') && !findOnPath('etcd')) {
      await apt.unpack(['etcd-server'], join(work, 'etcd'));
      installBinary(join(work, 'etcd', 'usr', 'bin', 'etcd'), target, 'etcd');
    }
    if (!programs.some(lacks)) return;
    await unpackSource(apt, work, { signal, progress });
    await compile(work, { signal, progress });
    for (const name of programs) installBinary(join(work, 'tree', '_output', 'bin', name), target, name);
    progress(`Kubernetes ${version} is built and kept in ${target}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

interface Step {
  readonly signal: AbortSignal | undefined;
  readonly progress: Progress;
}

async function unpackSource(apt: Apt, work: string, { signal, progress }: Step): Promise<void> {
  const found = await apt.sourceVersion('kubernetes');
  if (!found.includes(version))
    throw new Error(`Debian's Kubernetes is ${found}; only ${version} is known to build`);
  progress(`downloading the source of Kubernetes ${found} and Go`);
  await apt.downloadSource('kubernetes', found, join(work, 'source'));
  const libraries = ['golang-github-modern-go-reflect2-dev'];
  const programsOfMake = [`golang-${go.slice(3)}-go`, 'rsync', 'patch', 'make', 'xz-utils'];
  await apt.unpack([...programsOfMake, ...libraries], join(work, 'tools'));
  const tree = join(work, 'tree');
  mkdirSync(tree);
  const archive = (ending: string) =>
    join(
      work,
      'source',
      readdirSync(join(work, 'source')).find((name) => name.endsWith(ending))!,
    );
  const env = unpackedEnv(join(work, 'tools'));
  await runCommand('tar', ['-xzf', archive('.orig.tar.gz'), '-C', tree, '--strip-components=1'], {
    signal,
    env,
  });
  await runCommand('tar', ['-xJf', archive('.debian.tar.xz'), '-C', tree], { signal, env });
  const series = readFileSync(join(tree, 'debian', 'patches', 'series'), 'utf8');
  for (const patch of series.split('\n').filter((line) => line && !line.startsWith('#'))) {
    await runCommand('patch', ['-p1', '-s', '-i', join('debian', 'patches', patch)], {
      cwd: tree,
      signal,
      env,
    });
  }
  replaceReflect2(work);
}

/**
 * Kubernetes 1.20 carries a reflect2 that walks maps as Go did before 1.18. Built with a later Go, its API server crashes
 * when the first custom resource is written. vendor/modules.txt keeps naming the old version, which the build accepts.
 */
function replaceReflect2(work: string): void {
  const inDebian = join('usr', 'share', 'gocode', 'src', reflect2);
  const unpacked = join(work, 'tools', inDebian);
  const source = existsSync(unpacked) ? unpacked : join('/', inDebian);
  if (!existsSync(join(source, 'go_above_118.go')))
    throw new Error(`${source} does not know the maps of ${go}: Debian's reflect2 is not 1.0.2 or later`);
  const vendored = join(work, 'tree', 'vendor', reflect2);
  rmSync(vendored, { recursive: true });
  cpSync(source, vendored, { recursive: true, dereference: true });
}

async function compile(work: string, { signal, progress }: Step): Promise<void> {
  const tree = join(work, 'tree');
  // Kubernetes of that age builds only from inside a GOPATH.
  const gopath = join(tree, '.go');
  mkdirSync(join(gopath, 'src', 'k8s.io'), { recursive: true });
  mkdirSync(join(work, 'home'));
  symlinkSync('../../..', join(gopath, 'src', 'k8s.io', 'kubernetes'));
  const began = Date.now();
  const tell = () => {
    const minutes = ((Date.now() - began) / 60_000).toFixed(1);
    progress(`compiling Kubernetes ${version}: ${minutes} min so far, 4 to 8 in all on two cores`);
  };
  tell();
  const timer = setInterval(tell, HEARTBEAT_MS);
  try {
    await runCommand('make', [`WHAT=${programs.map((name) => `cmd/${name}`).join(' ')}`], {
      cwd: join(gopath, 'src', 'k8s.io', 'kubernetes'),
      env: buildEnv(work, gopath),
      niceness: NICENESS,
      signal,
    });
  } finally {
    clearInterval(timer);
  }
}

function buildEnv(work: string, gopath: string): NodeJS.ProcessEnv {
  const tools = join(work, 'tools');
  const unpacked = join(tools, 'usr', 'lib', go);
  const goroot = existsSync(unpacked) ? unpacked : join('/usr/lib', go);
  const { GOFLAGS: _, ...env } = unpackedEnv(tools);
  return {
    ...env,
    PATH: `${join(goroot, 'bin')}:${env['PATH']}`,
    GOROOT: goroot,
    GOPATH: gopath,
    GOCACHE: join(work, 'go-cache'),
    GOPROXY: 'off',
    HOME: join(work, 'home'),
    CGO_ENABLED: '0',
    // Fewer garbage collections in the compiler, for more memory, up to a limit for each process.
    GOGC: '400',
    GOMEMLIMIT: '2GiB',
    KUBE_GIT_VERSION: `v${version}`,
  };
}

/** What a killed build left behind: gigabytes. The lock says that no other build runs now. */
function removeAbandonedBuilds(): void {
  const root = cacheDir('kube');
  mkdirSync(root, { recursive: true });
  for (const name of readdirSync(root).filter((each) => each.startsWith('.build-'))) {
    rmSync(join(root, name), { recursive: true, force: true });
  }
}
