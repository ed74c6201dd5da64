import type { Duplex } from 'node:stream';
import { WebSocketConnection } from '../websocket/connection.ts';
import { opcodes } from '../websocket/frames.ts';

/**
 * Joins SPDY in the messages of a WebSocket with the same SPDY on a connection of its own. `role` is ours on the WebSocket:
 * `server` where the client tunnels, `client` where the API server does.
 */
export function joinTunnel(tunnel: Duplex, role: 'client' | 'server', plain: Duplex): void {
  const connection = new WebSocketConnection(tunnel, role, {
    data: (chunk) => {
      if (!plain.write(chunk)) connection.pause();
    },
    drained: () => plain.resume(),
    closed: () => plain.end(),
  });
  plain.on('error', () => undefined);
  plain.on('data', (chunk: Buffer) => {
    if (!connection.send(opcodes.binary, chunk)) plain.pause();
  });
  plain.on('drain', () => connection.resume());
  plain.once('end', () => connection.close());
  plain.once('close', () => connection.close());
  connection.start();
}
