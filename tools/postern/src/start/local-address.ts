import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** The address of this host from which it reaches another: asked of the routing table, nothing is sent. */
export function addressTowards(host: string, port: number): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '');
  const socket = createSocket(isIPv6(bare) ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const finish = (address: string) => {
      socket.close();
      resolve(address);
    };
    // A name that cannot be resolved now: the join tells, and until then nobody needs to reach us.
    socket.once('error', () => finish('127.0.0.1'));
    socket.connect(port, bare, () => finish(socket.address().address));
  });
}
