import { readFileSync } from 'node:fs';
import { type Duplex, duplexPair } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import {
  type CommandEvents,
  commandRequestOf,
  joinTunnel,
  newKey,
  SpdyCommandEnd,
  spdyPortProtocol,
  SpdySession,
  tunnelProtocol,
  WebSocketCommandEnd,
  websocketProtocols,
} from '@postern/kube-proxy/stream-protocols';
import type { Side } from './side.ts';

/** Commands or forwarded ports, each on a connection of its own, as kubectl has them; bounded by their number. */
export interface StreamPlan extends Side {
  readonly protocol: 'WebSocket' | 'SPDY';
  readonly what: 'exec' | 'portforward';
  readonly times: number;
  readonly atOnce: number;
}

/** What a run did. */
export interface StreamResult {
  readonly seconds: number;
  /** Of outputs or forwarded ports. */
  readonly bytes: number;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as StreamPlan;
const { hostname, port } = new URL(plan.origin);
const tls = {
  cert: readFileSync(plan.certFile),
  key: readFileSync(plan.keyFile),
  ca: readFileSync(plan.caFile),
};
const commandProtocol = 'v5.channel.k8s.io';
const query = 'command=true&stdout=true&stderr=true';
const nothing = () => undefined;
let bytes = 0;
let left = plan.times;
const start = performance.now();
await Promise.all(Array.from({ length: plan.atOnce }, work));
const result: StreamResult = { seconds: (performance.now() - start) / 1000, bytes };
console.log(JSON.stringify(result));
process.exit(0);

async function work(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const socket = await upgraded();
    await (plan.what === 'exec' ? untilDone(socket) : untilReceived(socket));
    socket.destroy();
  }
}

async function upgraded(): Promise<TLSSocket> {
  const socket = connect({
    ...tls,
    host: hostname,
    port: Number(port),
    servername: plan.servername,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', nothing);
  socket.write(head());
  const answer = await readHead(socket);
  if (!answer.startsWith('HTTP/1.1 101 ')) throw new Error(`no switch: ${answer}`);
  return socket;
}

function head(): string {
  const path = `${plan.prefix}/api/v1/namespaces/default/pods/box/${plan.what}`;
  const isExec = plan.what === 'exec';
  const target = isExec ? `${path}?${query}` : path;
  const [method, headers] =
    plan.protocol === 'SPDY'
      ? [
          'POST',
          `Upgrade: SPDY/3.1\r\nContent-Length: 0\r\nX-Stream-Protocol-Version: ${isExec ? 'v4.channel.k8s.io' : spdyPortProtocol}`,
        ]
      : [
          'GET',
          `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${newKey()}\r\nSec-WebSocket-Protocol: ${isExec ? commandProtocol : tunnelProtocol}`,
        ];
  return `${method} ${target} HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\n${headers}\r\n\r\n`;
}

/** Reads up to the empty line and gives back what came behind it. */
function readHead(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const gone = () => reject(new Error(`the connection ended: ${read.toString()}`));
    const more = () => {
      for (let piece = socket.read() as Buffer | null; piece; piece = socket.read() as Buffer | null)
        read = Buffer.concat([read, piece]);
      const end = read.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('readable', more).off('close', gone);
      if (read.length > end + 4) socket.unshift(read.subarray(end + 4));
      resolve(read.subarray(0, end).toString());
    };
    socket.on('readable', more).once('close', gone);
  });
}

/** Until the Status of the command is there. */
function untilDone(socket: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = '';
    const finish = () => {
      end.destroy();
      if (status.includes('"Success"')) resolve();
      else reject(new Error(`a command ended with: ${status}`));
    };
    const events: CommandEvents = {
      ready: nothing,
      data: (channel, piece) => {
        if (channel === 'error') status += piece.toString();
        else bytes += piece.length;
        if (status.includes('}')) finish();
      },
      finished: nothing,
      drained: nothing,
      closed: finish,
    };
    const request = commandRequestOf({ query: [...new URLSearchParams(query)] });
    const end =
      plan.protocol === 'SPDY'
        ? new SpdyCommandEnd(socket, request, 'client', events)
        : new WebSocketCommandEnd(socket, websocketProtocols[commandProtocol]!, 'client', events);
  });
}

/** Until the forwarded connection has ended. */
function untilReceived(socket: Duplex): Promise<void> {
  let wire = socket;
  if (plan.protocol === 'WebSocket') {
    const [outer, inner] = duplexPair();
    joinTunnel(socket, 'client', outer);
    wire = inner;
  }
  return new Promise((resolve, reject) => {
    const session = new SpdySession(wire, 'client', {
      opened: () => false,
      replied: nothing,
      data: (_, piece) => (bytes += piece.length),
      finished: (id) => {
        if (id === data) resolve();
      },
      drained: nothing,
      closed: () => reject(new Error('the port-forward ended early')),
    });
    session.start();
    const headersOf = (streamtype: string) =>
      new Map([
        ['streamtype', streamtype],
        ['port', '9000'],
        ['requestid', '0'],
      ]);
    session.finish(session.open(headersOf('error')));
    const data = session.open(headersOf('data'));
  });
}
