import { connect } from 'node:net';

const TIMEOUT_MS = 2_000;
const PROTOCOL_3 = 196_608;

/**
 * Whether a server accepts sessions. It sends a start-up message and looks at the first byte of the answer: R asks for a
 * password, E while the server still starts up or recovers.
 */
export function isAccepting(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const answer = (accepting: boolean) => {
      socket.destroy();
      resolve(accepting);
    };
    socket.setTimeout(TIMEOUT_MS, () => answer(false));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
    socket.once('connect', () => socket.write(startupMessage()));
    socket.once('data', (data: Buffer) => answer(data.toString('latin1', 0, 1) === 'R'));
  });
}

function startupMessage(): Buffer {
  const parameters = Buffer.from('user\0postgres\0database\0postgres\0\0');
  const header = Buffer.alloc(8);
  header.writeUInt32BE(header.length + parameters.length, 0);
  header.writeUInt32BE(PROTOCOL_3, 4);
  return Buffer.concat([header, parameters]);
}
