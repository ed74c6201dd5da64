import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from '../../process/child.ts';
import { runCommand } from '../../process/run-command.ts';
import { waitUntil } from '../../process/wait-until.ts';
import { pauseImage, writeImageArchive } from './busybox-image.ts';
import type { NodeLayout } from './node-layout.ts';
import type { NodePrograms } from './node-packages.ts';

const READY_TIMEOUT_MS = 30_000;

/** Starts containerd with a pod network of its own and the lab's images. */
export async function startContainerd(layout: NodeLayout, programs: NodePrograms): Promise<Child> {
  writeNetwork(layout);
  const config = join(layout.dir, 'containerd.toml');
  writeFileSync(config, configText(layout, programs));
  const { dir: where, socket } = layout;
  const { env } = programs;
  const child = await startChild({
    name: 'containerd',
    dir: where,
    command: programs.containerd,
    args: ['--config', config],
    env,
  });
  try {
    const ctr = (...args: string[]) =>
      runCommand(programs.ctr, ['--address', socket, '--namespace', 'k8s.io', ...args], { env });
    await waitUntil(() => ctr('version'), {
      what: 'containerd',
      timeoutMs: READY_TIMEOUT_MS,
      everyMs: 100,
      failed: child.failure,
    });
    await ctr('images', 'import', await writeImageArchive(join(where, 'images'), programs.busybox));
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function writeNetwork({ cniConfigDir, bridge, podSubnet, dir }: NodeLayout): void {
  mkdirSync(cniConfigDir, { recursive: true });
  const network = {
    cniVersion: '0.4.0',
    name: bridge,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        // No masquerading: pods talk to this machine only, and its packet filter stays as it is.
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: podSubnet }]], dataDir: join(dir, 'addresses') },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
  writeFileSync(join(cniConfigDir, '10-lab.conflist'), JSON.stringify(network));
}

function configText(layout: NodeLayout, programs: NodePrograms): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${join(layout.dir, 'containerd')}"
state = "${layout.stateDir}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "${layout.socket}"
[${cri}]
  sandbox_image = "${pauseImage}"
  # Without CAP_SYS_RESOURCE the score cannot be lowered, and runc would die of it with a message about a pipe.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [${cri}.cni]
    bin_dir = "${programs.cniDir}"
    conf_dir = "${layout.cniConfigDir}"
  [${cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}
