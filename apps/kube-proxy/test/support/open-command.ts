import type { TLSSocket } from 'node:tls';
import type { Channel, CommandEnd, CommandEvents } from '../../src/remote-command/command-end.ts';
import { commandRequestOf } from '../../src/remote-command/command-request.ts';
import { SpdyCommandEnd } from '../../src/remote-command/spdy-end.ts';
import { WebSocketCommandEnd } from '../../src/remote-command/websocket-end.ts';
import { websocketProtocols } from '../../src/remote-command/websocket-protocols.ts';
import type { ClientCertificate } from './identities.ts';
import { at, dial, type Rig, until } from './rig.ts';

/** A command that a test drives as a client. */
export interface OpenCommand {
  readonly end: CommandEnd;
  readonly text: (channel: Channel) => string;
  readonly isClosed: () => boolean;
}

export interface CommandQuestion {
  /** Path behind the cluster's, with its query. */
  readonly path: string;
  /** A WebSocket subprotocol, or `SPDY`. */
  readonly protocol: string;
  readonly cluster?: string;
}

const key = 'AAAAAAAAAAAAAAAAAAAAAA==';

/** The head of a request that asks to switch. */
export function upgradeHead({ path, protocol, cluster = 'c1' }: CommandQuestion): string {
  const target = at(cluster, path);
  const [method, headers] =
    protocol === 'SPDY'
      ? ['POST', 'Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io']
      : [
          'GET',
          `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: ${protocol}`,
        ];
  return `${method} ${target} HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\n${headers}\r\n\r\n`;
}

/** Asks for a command. Throws the answer where it is not a switch. */
export async function openCommand(
  rig: Rig,
  client: ClientCertificate,
  question: CommandQuestion,
): Promise<OpenCommand> {
  const socket = await dial(rig, client);
  socket.on('error', () => undefined);
  socket.write(upgradeHead(question));
  const answer = await readHead(socket);
  if (!answer.startsWith('HTTP/1.1 101 ')) {
    const body = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.once('close', () => resolve(text));
    });
    throw new Error(answer + body);
  }
  const received = new Map<Channel, Buffer>();
  let isReady = false;
  let isClosed = false;
  const events: CommandEvents = {
    ready: () => (isReady = true),
    data: (channel, chunk) =>
      received.set(channel, Buffer.concat([received.get(channel) ?? Buffer.alloc(0), chunk])),
    finished: () => undefined,
    drained: () => undefined,
    closed: () => (isClosed = true),
  };
  const request = commandRequestOf({ query: [...new URL(question.path, 'https://x').searchParams] });
  const end =
    question.protocol === 'SPDY'
      ? new SpdyCommandEnd(socket, request, 'client', events)
      : new WebSocketCommandEnd(socket, websocketProtocols[question.protocol]!, 'client', events);
  await until(() => isReady || isClosed, 'the streams are there');
  return { end, text: (channel) => received.get(channel)?.toString() ?? '', isClosed: () => isClosed };
}

/** Reads up to the empty line, and gives back what came behind it. */
function readHead(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let head = Buffer.alloc(0);
    const read = () => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null)
        head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && !socket.destroyed) return;
      socket.off('readable', read);
      if (end >= 0 && head.length > end + 4) socket.unshift(head.subarray(end + 4));
      resolve(head.subarray(0, end + 4).toString());
    };
    socket.on('readable', read);
    socket.once('close', read);
  });
}
