import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from '../../assets/cache-dir.ts';
import { openApt, unpackedEnv } from '../../assets/debian-packages.ts';
import { findIn } from '../../assets/find-on-path.ts';
import type { Progress } from '../../progress.ts';
import { withLock } from '../../process/lock-file.ts';

/** The Debian release whose container runtime fits the kubelet we build. */
export const nodeRelease = 'bookworm';

const packages = [
  'containerd',
  'runc',
  'containernetworking-plugins',
  'busybox-static',
  'socat',
  'conntrack',
  'iptables',
  'iproute2',
];

// Where each program lies, below the root of the system or of the unpacked packages.
const programPaths = {
  containerd: 'usr/bin',
  'containerd-shim-runc-v2': 'usr/bin',
  ctr: 'usr/bin',
  runc: 'usr/sbin',
  bridge: 'usr/lib/cni',
  'host-local': 'usr/lib/cni',
  busybox: 'bin',
} as const;

/** The programs of a node beside Kubernetes' own, and the environment in which they find each other. */
export interface NodePrograms {
  readonly containerd: string;
  readonly ctr: string;
  readonly busybox: string;
  readonly cniDir: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What the system has of a node's programs; the rest is unpacked from Debian's packages into our cache, not installed. */
export async function ensureNodePrograms(options: {
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}): Promise<NodePrograms> {
  const { progress, signal } = options;
  const root = cacheDir('node', nodeRelease);
  const onWait = (pid: number) =>
    progress?.(`process ${pid} is fetching the container runtime; waiting for it`);
  return (
    findPrograms(root) ??
    withLock(cacheDir('node', '.lock'), { onWait, signal }, async () => {
      if (!findPrograms(root)) await unpack(root, options);
      const found = findPrograms(root);
      if (!found)
        throw new Error(`Debian's packages ${packages.join(', ')} lack a program that a node needs`);
      return found;
    })
  );
}

function findPrograms(root: string): NodePrograms | undefined {
  const find = (name: keyof typeof programPaths) =>
    findIn(join(root, programPaths[name]), name) ?? findIn(join('/', programPaths[name]), name);
  const names = Object.keys(programPaths) as (keyof typeof programPaths)[];
  if (!names.every(find)) return undefined;
  return {
    containerd: find('containerd')!,
    ctr: find('ctr')!,
    busybox: find('busybox')!,
    cniDir: join(find('bridge')!, '..'),
    env: unpackedEnv(root),
  };
}

async function unpack(
  root: string,
  { progress, signal }: { progress?: Progress | undefined; signal?: AbortSignal | undefined },
): Promise<void> {
  progress?.("fetching a container runtime from Debian's packages");
  const work = cacheDir('node', '.fetch');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, 'root'), { recursive: true });
  try {
    const apt = await openApt(join(work, 'apt'), nodeRelease, { signal });
    await apt.unpack(packages, join(work, 'root'));
    rmSync(root, { recursive: true, force: true });
    renameSync(join(work, 'root'), root);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
