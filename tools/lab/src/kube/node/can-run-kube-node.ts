import { existsSync } from 'node:fs';
import { whyNoApt } from '../../assets/debian-packages.ts';
import { nodeAddress } from './node-layout.ts';
import { nodeRelease } from './node-packages.ts';

/** Whether this machine can run a node, and if not, why. */
export type CanRunKubeNode = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Tells, without starting or fetching anything, whether `startKubeNode` has what it needs. */
export function canRunKubeNode(): CanRunKubeNode {
  const reason = whyNot();
  return reason ? { ok: false, reason } : { ok: true };
}

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'a node needs Linux';
  if (process.getuid?.() !== 0)
    return 'a node needs root: it mounts file systems and makes network interfaces';
  if (!existsSync('/sys/fs/cgroup/memory') && !existsSync('/sys/fs/cgroup/cgroup.controllers'))
    return 'no cgroups are mounted';
  if (!nodeAddress()) return 'the machine has no address but the loopback one, which a kubelet refuses';
  return whyNoApt(nodeRelease);
}
