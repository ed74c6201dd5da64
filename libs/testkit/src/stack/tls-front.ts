import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { createAuthority, generateKeyPair, issueCertificate } from '@postern/identity';

/** TLS in front of a server of this machine that speaks plain, under names of somebody else's. */
export interface TlsFront extends AsyncDisposable {
  /** PEM of the authority of its certificate, which nobody trusts by itself. */
  readonly ca: string;
  readonly port: number;
}

/** Starts one on 127.0.0.1 for these names; what it decrypts goes to the port. */
export async function startTlsFront(names: readonly string[], toPort: number): Promise<TlsFront> {
  const authority = await createAuthority({ use: 'host', clusterName: 'front', clock: () => new Date() });
  const { privateKey: key, publicKey } = await generateKeyPair();
  const cert = await issueCertificate(authority, {
    type: 'svc',
    id: 'front',
    publicKey,
    generation: 1,
    roles: [],
    notAfter: new Date(Date.now() + 3_600_000),
    dnsNames: [...names],
    ipAddresses: [],
  });
  const sockets = new Set<Socket>();
  const server = createServer({ cert, key }, (near) => {
    const far = connect(toPort, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        near.destroy();
        far.destroy();
        sockets.delete(socket);
      });
    }
    near.pipe(far).pipe(near);
  });
  server.on('tlsClientError', () => undefined);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    ca: authority.certificate,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
