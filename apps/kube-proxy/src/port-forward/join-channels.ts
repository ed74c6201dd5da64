import type { Duplex } from 'node:stream';
import { SpdySession } from '../spdy/session.ts';
import { WebSocketConnection } from '../websocket/connection.ts';
import { closeCodes, type MessagePart, opcodes } from '../websocket/frames.ts';

interface Pair {
  readonly port: number;
  readonly data: number;
  readonly error: number;
}

/**
 * Joins a client that has two channels for each port, `2n` for data and `2n + 1` for errors, with an API server that takes
 * SPDY streams. As the kubelet does, it first sends the port on both channels, in two bytes, the lower one first.
 */
export function joinChannels(client: Duplex, server: Duplex, ports: readonly number[]): void {
  const pairs: Pair[] = [];
  const open = new Set<number>();
  const channelOf = new Map<number, number>();
  let channel = -1;
  let awaited = 2 * ports.length;
  const connection = new WebSocketConnection(client, 'server', {
    data: (chunk, part) => fromClient(chunk, part),
    drained: () => session.resume(),
    closed: () => session.destroy(),
  });
  const session = new SpdySession(server, 'client', {
    opened: () => false,
    replied: () => {
      awaited -= 1;
      if (awaited > 0) return;
      for (const [at, { port }] of pairs.entries())
        for (const side of [0, 1]) send(2 * at + side, portBytes(port));
      connection.start();
    },
    data: (id, chunk) => {
      if (!send(channelOf.get(id)!, chunk)) session.pause();
    },
    finished: (id) => {
      open.delete(id);
      if (open.size === 0) connection.close();
    },
    drained: () => connection.resume(),
    closed: () => connection.close(),
  });
  const send = (number: number, chunk: Buffer) =>
    connection.send(opcodes.binary, Buffer.concat([Buffer.from([number]), chunk]));
  const fromClient = (chunk: Buffer, { isFirst }: MessagePart) => {
    if (isFirst) channel = chunk[0] ?? -1;
    const pair = pairs[channel / 2];
    // What a client writes to a channel for errors goes nowhere, as at the kubelet.
    if (pair === undefined && pairs[(channel - 1) / 2] === undefined)
      connection.close(closeCodes.protocolError, 'there is no such channel');
    else if (pair && !session.send(pair.data, isFirst ? chunk.subarray(1) : chunk)) connection.pause();
  };
  for (const [at, port] of ports.entries()) {
    const headers = (type: string) =>
      new Map([
        ['streamtype', type],
        ['port', String(port)],
        ['requestid', String(at)],
      ]);
    const pair = { port, error: session.open(headers('error')), data: session.open(headers('data')) };
    session.finish(pair.error);
    pairs.push(pair);
    open.add(pair.data);
    channelOf.set(pair.data, 2 * at).set(pair.error, 2 * at + 1);
  }
  session.start();
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  return bytes;
}
