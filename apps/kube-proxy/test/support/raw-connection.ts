import { connect, type TLSSocket } from 'node:tls';
import type { ClientCertificate } from './identities.ts';
import type { Rig } from './rig.ts';

/** A TLS connection to the edge that speaks nothing by itself, in a session of TLS that is resumed or a new one. */
export function dial(
  rig: Rig,
  client?: ClientCertificate,
  port = rig.port,
  session?: Buffer,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: '127.0.0.1',
        port,
        ca: rig.pki.host.certificate,
        ALPNProtocols: ['http/1.1'],
        ...(session ? { session } : {}),
        ...client,
        checkServerIdentity: () => undefined,
      },
      () => resolve(socket),
    );
    socket.once('error', reject);
  });
}

/** Writes bytes on a connection of their own and gives everything that comes back until it ends, or is quiet. */
export async function raw(
  rig: Rig,
  client: ClientCertificate | undefined,
  bytes: string | Buffer,
  quietMs = 300,
): Promise<string> {
  const socket = await dial(rig, client);
  return rawOn(socket, bytes, quietMs);
}

export function rawOn(socket: TLSSocket, bytes: string | Buffer, quietMs = 300): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    let timer = setTimeout(finish, 2000);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(finish, quietMs);
    });
    socket.once('close', finish);
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}
