import { connect, type Socket } from 'node:net';

/** Sends bytes to a port of this machine, ends its side when all came back, and returns what came. */
export function echoed(port: number, bytes: Buffer, withinMs = 30_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const socket: Socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(withinMs, () =>
      socket.destroy(new Error(`nothing came for ${withinMs} ms after ${size} bytes`)),
    );
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= bytes.length) socket.end();
    });
    socket.on('close', () => resolve(Buffer.concat(chunks)));
    socket.write(bytes);
  });
}
