import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { joinTunnel } from '../../src/port-forward/join-tunnel.ts';
import { tunnelProtocol } from '../../src/port-forward/protocols.ts';
import type { Channel, CommandEnd, CommandEvents } from '../../src/remote-command/command-end.ts';
import { commandRequestOf } from '../../src/remote-command/command-request.ts';
import { SpdyCommandEnd } from '../../src/remote-command/spdy-end.ts';
import { WebSocketCommandEnd } from '../../src/remote-command/websocket-end.ts';
import { websocketProtocols } from '../../src/remote-command/websocket-protocols.ts';
import { SpdySession } from '../../src/spdy/session.ts';
import { acceptOf } from '../../src/websocket/handshake.ts';
import { selfSigned } from './echo-api-server.ts';

/** What an API server speaks: both, or one alone. One that does not know a WebSocket subprotocol answers 403 without a body, as Go does. */
export type Speaks = 'both' | 'SPDY' | 'WebSocket';

/** An API server with one pod, in which commands run that a test can look into. */
export interface StreamApiServer extends AsyncDisposable {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  speaks: Speaks;
  /** Protocol of each upgrade that was asked for. */
  readonly asked: string[];
  /** What commands were given, by channel. */
  readonly received: Map<Channel, Buffer>;
  /** Connections that were switched and are open. */
  readonly open: Set<Duplex>;
}

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'box', namespace: 'dev', uid: 'u1' },
  spec: { containers: [{ name: 'main', image: 'box' }] },
  status: { phase: 'Running' },
};

const pods = { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get'] };
const documents: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': { kind: 'APIResourceList', groupVersion: 'v1', resources: [pods] },
  '/api/v1/namespaces/dev/pods/box': pod,
};
/** What the agent asks to see whether its cluster is there. */
const probed = { gitVersion: 'v1.33.0', status: { allowed: true } };

export async function startStreamApiServer(): Promise<StreamApiServer> {
  const { key, cert } = selfSigned();
  const open = new Set<Duplex>();
  const server = createServer({ key, cert }, (req, res) => {
    const { pathname } = new URL(req.url!, 'https://x');
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(documents[pathname] ?? probed));
  });
  const state: Omit<StreamApiServer, 'url' | 'ca' | 'token' | typeof Symbol.asyncDispose> = {
    speaks: 'both',
    asked: [],
    received: new Map(),
    open,
  };
  server.on('upgrade', (req, socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
    upgrade(state, req, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, {
    url: `https://127.0.0.1:${port}`,
    ca: cert,
    token: 'stream-token',
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

type State = Pick<StreamApiServer, 'speaks' | 'asked' | 'received'>;

function upgrade(state: State, req: IncomingMessage, socket: Duplex): void {
  const isSpdy = req.headers.upgrade === 'SPDY/3.1';
  const url = new URL(req.url!, 'https://x');
  if (url.pathname.includes('/gone/')) {
    const body = JSON.stringify({ ...success, status: 'Failure', reason: 'NotFound', code: 404 });
    socket.end(`HTTP/1.1 404 Not Found\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    return;
  }
  state.asked.push(isSpdy ? 'SPDY' : 'WebSocket');
  if (state.speaks !== 'both' && (state.speaks === 'SPDY') !== isSpdy) {
    socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n');
    return;
  }
  const offered = String(req.headers[isSpdy ? 'x-stream-protocol-version' : 'sec-websocket-protocol']).split(
    ', ',
  );
  const headers = isSpdy
    ? `Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${offered[0]}`
    : `Upgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(req.headers['sec-websocket-key']!)}\r\nSec-WebSocket-Protocol: ${offered[0]}`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${headers}\r\n\r\n`);
  if (url.pathname.endsWith('/portforward')) echoPorts(socket, offered[0]!);
  else {
    const request = commandRequestOf({ query: [...url.searchParams] });
    runCommand(state, request.command, {
      open: (events) =>
        isSpdy
          ? new SpdyCommandEnd(socket, request, 'server', events)
          : new WebSocketCommandEnd(socket, websocketProtocols[offered[0]!]!, 'server', events),
      hangUp: () => socket.end(),
    });
  }
}

/** `exit N` writes to both outputs, `cat` gives its input back, `tick` goes on until it is cut, `flood N` writes megabytes, and
 * `burst N` hangs up right behind them, as a kubelet does. */
function runCommand(
  state: State,
  [name, number]: readonly string[],
  { open, hangUp }: { open: (events: CommandEvents) => CommandEnd; hangUp: () => void },
): void {
  let end: CommandEnd | undefined;
  let ticks: NodeJS.Timeout | undefined;
  const closing = (status: object, close: () => void = () => void setTimeout(() => end!.close(), 20)) => {
    for (const channel of ['stdout', 'stderr'] as const) end!.finish(channel);
    end!.send('error', Buffer.from(JSON.stringify(status)));
    end!.finish('error');
    close();
  };
  const begin = () => {
    if (name === 'exit') {
      end!.send('stdout', Buffer.from('to stdout\n'));
      end!.send('stderr', Buffer.from('to stderr\n'));
      closing(exitStatus(Number(number)));
    } else if (name === 'flood' || name === 'burst') {
      for (let left = Number(number); left > 0; left -= 1)
        end!.send('stdout', Buffer.alloc(1024 * 1024, 'x'));
      closing(success, name === 'burst' ? hangUp : undefined);
    } else if (name === 'tick') ticks = setInterval(() => end!.send('stdout', Buffer.from('tick\n')), 50);
  };
  end = open({
    ready: () => queueMicrotask(begin),
    data: (channel, chunk) => {
      state.received.set(channel, Buffer.concat([state.received.get(channel) ?? Buffer.alloc(0), chunk]));
      if (name === 'cat' && channel === 'stdin') end!.send('stdout', chunk);
    },
    finished: (channel) => {
      if (name === 'cat' && channel === 'stdin') closing(success);
    },
    drained: () => undefined,
    closed: () => clearInterval(ticks),
  });
}

const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };

function exitStatus(code: number): object {
  return {
    ...success,
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

/** Gives back what comes on each connection, and ends it when its client does. */
function echoPorts(socket: Duplex, protocol: string): void {
  if (protocol === tunnelProtocol) {
    const [outer, inner] = duplexPair();
    joinTunnel(socket, 'server', outer);
    echoPorts(inner, 'SPDY/3.1');
    return;
  }
  const streams = new Map<
    number,
    { readonly type: string | undefined; readonly request: string | undefined }
  >();
  const isData = (id: number) => streams.get(id)?.type === 'data';
  const session = new SpdySession(socket, 'server', {
    opened: (id, headers) => {
      streams.set(id, { type: headers.get('streamtype'), request: headers.get('requestid') });
      return true;
    },
    replied: () => undefined,
    data: (id, chunk) => {
      if (isData(id) && !session.send(id, chunk)) session.pause();
    },
    finished: (id) => {
      if (!isData(id)) return;
      for (const [each, { request }] of streams)
        if (request === streams.get(id)!.request) session.finish(each);
    },
    drained: () => session.resume(),
    closed: () => undefined,
  });
  session.start();
}
