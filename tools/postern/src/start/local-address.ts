import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** Whether the control plane is on this very machine: a trial, whose clusters are on it too. */
export async function isOnThisMachine(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const address = await addressTowards(hostname, Number(port || 443));
  return address === '::1' || address.startsWith('127.');
}

/**
 * The address of this host from which it reaches another: asked of the routing table, nothing is sent. Empty for a name that cannot be
 * resolved now, of which nobody may conclude that it is near.
 */
function addressTowards(host: string, port: number): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '');
  const socket = createSocket(isIPv6(bare) ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const finish = (address: string) => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => finish(''));
    socket.connect(port, bare, () => finish(socket.address().address));
  });
}
