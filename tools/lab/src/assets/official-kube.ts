import { mkdirSync, rmSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../progress.ts';
import { runCommand } from '../process/run-command.ts';
import { cacheDir } from './cache-dir.ts';
import { download, openUrl } from './download.ts';
import { findIn } from './find-on-path.ts';
import { installBinary } from './install-binary.ts';
import type { KubeBinary } from './kube-binaries.ts';

const version = 'v1.34.1';

// From envtest-releases.yaml of kubernetes-sigs/controller-tools, which publishes them.
const envtestSha512: Readonly<Record<string, string>> = {
  'linux-amd64':
    'c5e7c237ae18a8c65d0df1214b864ecd19aa9ff4f1383dbd477c202546d778c0f74efe15750ec38f57d8de26ba17cd62f404446cdd3c975399a5d4589de35cdd',
  'linux-arm64':
    'bf13d2456183e66d084e28e1c9eed6a408fb77a06d8d1fd0461a7d9bc0c90b63d29ea67870b28f80d1f992acb026007d6f43987753c859c81d6a78bc1ca2c903',
  'darwin-amd64':
    'd9e0464dc1708c36ab41147b5e364c8b8e201eafc14c299dcbe58ebeaa82c651b8e834647167a951ded8c6d08c616aadbae1673a54743f9c8fa15a278c78c0c0',
  'darwin-arm64':
    '43d7c10b74100d20044df7c73be03e26f8243a9cb7c1d3035e581ee7bb0c7ffcaf759b9e182186b5bb2f47d1608835414ca443181a02d9ecb6c9cf04b43e3809',
};

const envtestBinaries: ReadonlySet<KubeBinary> = new Set(['kube-apiserver', 'etcd', 'kubectl']);

/** What can be had from the official servers. A node is not among it: its container runtime comes from Debian. */
export const officialBinaries: ReadonlySet<KubeBinary> = new Set([
  ...envtestBinaries,
  'kube-controller-manager',
  'kube-scheduler',
]);

/** What to get, and who hears of it. */
export interface ObtainOptions {
  readonly need: readonly KubeBinary[];
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Downloads the envtest archive, and from the release server what it lacks, into the cache. */
export async function fetchOfficialKube({ need, progress, signal }: ObtainOptions): Promise<void> {
  const system = `${platform()}-${arch() === 'x64' ? 'amd64' : arch()}`;
  const digest = envtestSha512[system];
  if (!digest) throw new Error(`no official Kubernetes test archive is pinned for ${system}`);
  const target = cacheDir('kube', version);
  const work = cacheDir('kube', `.download-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    if (need.some((name) => envtestBinaries.has(name) && !findIn(target, name))) {
      progress(`downloading Kubernetes ${version} (official test archive)`);
      const archive = join(work, 'envtest.tar.gz');
      const base = 'https://github.com/kubernetes-sigs/controller-tools/releases/download';
      const url = `${base}/envtest-${version}/envtest-${version}-${system}.tar.gz`;
      await download({ url, algorithm: 'sha512', digest }, archive, signal);
      await runCommand('tar', ['-xzf', archive, '-C', work], { signal });
      for (const name of envtestBinaries)
        installBinary(join(work, 'controller-tools', 'envtest', name), target, name);
    }
    for (const name of need.filter((each) => !findIn(target, each))) {
      progress(`downloading ${name} ${version}`);
      await fetchReleaseBinary({ name, system, work, target, signal });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function fetchReleaseBinary(wanted: {
  name: KubeBinary;
  system: string;
  work: string;
  target: string;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { name, system, work, target, signal } = wanted;
  const url = `https://dl.k8s.io/release/${version}/bin/${system.replace('-', '/')}/${name}`;
  const digest = (await (await openUrl(`${url}.sha512`, signal)).text()).trim().split(/\s/)[0]!;
  const file = join(work, name);
  await download({ url, algorithm: 'sha512', digest }, file, signal);
  installBinary(file, target, name);
}
