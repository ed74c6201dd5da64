import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { type Duplex, duplexPair } from 'node:stream';
import {
  acceptOf,
  type CommandEnd,
  type CommandEvents,
  commandRequestOf,
  joinTunnel,
  SpdyCommandEnd,
  SpdySession,
  tunnelProtocol,
  WebSocketCommandEnd,
  websocketProtocols,
} from '@postern/kube-proxy/stream-protocols';

/** A stand-in for an API server: commands that say a word and end, and ports from which so many bytes come. */
const [portText, certFile, keyFile, caFile, bytesText] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const forwardedBytes = Number(bytesText);
const chunk = Buffer.alloc(32_768, 'x');
const success = Buffer.from('{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}');
/** Whatever the agent asks, to see whether its cluster is there. */
const probed = Buffer.from('{"gitVersion":"v1.33.0","status":{"allowed":true}}');
const nothing = () => undefined;

const server = createServer(
  {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ca: readFileSync(caFile),
    requestCert: true,
    rejectUnauthorized: true,
  },
  (request, response) => {
    request.resume();
    response.writeHead(request.method === 'POST' ? 201 : 200, { 'content-type': 'application/json' });
    response.end(probed);
  },
);
server.on('upgrade', upgrade);
server.listen(Number(portText), '127.0.0.1', () => console.log('ready'));

function upgrade(request: IncomingMessage, socket: Duplex): void {
  socket.on('error', nothing);
  const isSpdy = request.headers.upgrade === 'SPDY/3.1';
  const offer = request.headers[isSpdy ? 'x-stream-protocol-version' : 'sec-websocket-protocol'];
  const [protocol] = String(offer).split(/, ?/);
  const agreed = isSpdy
    ? `Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}`
    : `Upgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(request.headers['sec-websocket-key']!)}\r\nSec-WebSocket-Protocol: ${protocol}`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${agreed}\r\n\r\n`);
  const url = new URL(request.url!, 'https://server');
  if (url.pathname.endsWith('/portforward')) return forward(socket, protocol!);
  const command = commandRequestOf({ query: [...url.searchParams] });
  runCommand((events) =>
    isSpdy
      ? new SpdyCommandEnd(socket, command, 'server', events)
      : new WebSocketCommandEnd(socket, websocketProtocols[protocol!]!, 'server', events),
  );
}

function runCommand(open: (events: CommandEvents) => CommandEnd): void {
  const run = () => {
    end.send('stdout', Buffer.from('done\n'));
    end.finish('stdout');
    end.finish('stderr');
    end.send('error', success);
    end.finish('error');
  };
  const end = open({
    ready: () => queueMicrotask(run),
    data: nothing,
    finished: nothing,
    drained: nothing,
    closed: () => end.destroy(),
  });
}

/** Sends on the first connection as fast as it is taken. */
function forward(socket: Duplex, protocol: string): void {
  if (protocol === tunnelProtocol) {
    const [outer, inner] = duplexPair();
    joinTunnel(socket, 'server', outer);
    return forward(inner, 'SPDY/3.1');
  }
  let left = forwardedBytes;
  let data: number | undefined;
  let isFinished = false;
  const pump = () => {
    if (data === undefined || isFinished) return;
    while (left > 0) {
      left -= chunk.length;
      if (!session.send(data, chunk)) return;
    }
    isFinished = true;
    session.finish(data);
  };
  const session = new SpdySession(socket, 'server', {
    opened: (id, headers) => {
      if (headers.get('streamtype') === 'data') {
        data = id;
        queueMicrotask(pump);
      }
      return true;
    },
    replied: nothing,
    data: nothing,
    finished: nothing,
    drained: pump,
    closed: () => socket.destroy(),
  });
  session.start();
}
