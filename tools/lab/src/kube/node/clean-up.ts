import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../../process/run-command.ts';
import { commandLineOf, identifyProcess } from '../../process/process-identity.ts';
import { stopProcess } from '../../process/reap-orphan.ts';
import type { NodeLayout } from './node-layout.ts';

/**
 * Removes what a node leaves on the machine when its kubelet and containerd are gone: shims with their containers, mounts,
 * the bridge, empty cgroups, and its own state. The next start makes all of it anew from what the API server knows.
 */
export async function cleanUpNode(layout: NodeLayout, env: NodeJS.ProcessEnv): Promise<void> {
  for (const pid of shimsOf(layout)) {
    // Containers first: they would survive their shim, as children of init.
    for (const container of childrenOf(pid)) await kill(container, 'a container');
    await kill(pid, 'a container shim');
  }
  for (const mount of mountsBelow(layout.dir)) await runCommand('umount', ['--lazy', mount]).catch(() => {});
  await runCommand('ip', ['link', 'delete', layout.bridge], { env }).catch(() => {});
  for (const root of cgroupRoots()) removeEmptyTree(join(root, 'kubepods'));
  removePodLogs(layout);
  for (const name of ['state', 'containerd', 'kubelet', 'addresses', 'images', 'cni']) {
    rmSync(join(layout.dir, name), { recursive: true, force: true });
  }
}

function shimsOf({ socket }: NodeLayout): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => {
    const command = commandLineOf(pid);
    return command.includes('containerd-shim') && command.includes(`-address ${socket}`);
  });
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function kill(pid: number, what: string): Promise<void> {
  const target = identifyProcess(pid);
  if (target) await stopProcess(target, what, { signal: 'SIGKILL' });
}

/** The kubelet keeps pod logs at a fixed place outside its own folder, in folders named namespace_pod_uid. */
function removePodLogs({ kubeletDir }: NodeLayout): void {
  const uids = new Set(listDir(join(kubeletDir, 'pods')));
  for (const name of listDir('/var/log/pods')) {
    if (uids.has(name.split('_').at(-1)!))
      rmSync(join('/var/log/pods', name), { recursive: true, force: true });
  }
}

function listDir(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** The mount points below a folder, the innermost first. */
function mountsBelow(dir: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  const points = lines.map((line) => unescapeOctal(line.split(' ')[4]!));
  return points.filter((point) => point.startsWith(`${dir}/`)).toReversed();
}

function unescapeOctal(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function cgroupRoots(): string[] {
  const base = '/sys/fs/cgroup';
  return [
    base,
    ...readdirSync(base, { withFileTypes: true })
      .filter((each) => each.isDirectory())
      .map((each) => join(base, each.name)),
  ];
}

function removeEmptyTree(dir: string): void {
  try {
    for (const each of readdirSync(dir, { withFileTypes: true })) {
      if (each.isDirectory()) removeEmptyTree(join(dir, each.name));
    }
    rmdirSync(dir);
  } catch {
    // It is not there, or another node still uses it.
  }
}
