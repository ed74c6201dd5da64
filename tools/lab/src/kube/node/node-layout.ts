import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '@postern/core';

// The path of a Unix socket has 108 bytes in the kernel; containerd adds a suffix to ours.
const LONGEST_SOCKET = 100;

/** Where a node keeps its things, and the names by which two nodes on one machine stay apart. */
export interface NodeLayout {
  readonly dir: string;
  readonly stateDir: string;
  readonly socket: string;
  readonly kubeletDir: string;
  readonly cniConfigDir: string;
  readonly bridge: string;
  readonly podSubnet: string;
  readonly nodeName: string;
}

/** The layout of a node in a folder; the same folder always gives the same names. */
export function nodeLayout(dir: string): NodeLayout {
  const id = sha256Hex(dir);
  const socket = join(dir, 'containerd.sock');
  if (socket.length > LONGEST_SOCKET)
    throw new Error(`the path of the node's folder is too long for a socket in it: ${dir}`);
  return {
    dir,
    socket,
    stateDir: join(dir, 'state'),
    kubeletDir: join(dir, 'kubelet'),
    cniConfigDir: join(dir, 'cni'),
    // An interface name has at most 15 letters.
    bridge: `lab${id.slice(0, 8)}`,
    podSubnet: `10.244.${Number.parseInt(id.slice(0, 2), 16)}.0/24`,
    nodeName: 'lab-node',
  };
}

/** The machine's own IPv4 address. A kubelet refuses a loopback one. */
export function nodeAddress(): string | undefined {
  const addresses = Object.entries(networkInterfaces())
    .filter(([name]) => !/^(lab[0-9a-f]{8}|docker|br-|cni|veth)/.test(name))
    .flatMap(([, list]) => list ?? []);
  return addresses.find((address) => address.family === 'IPv4' && !address.internal)?.address;
}
