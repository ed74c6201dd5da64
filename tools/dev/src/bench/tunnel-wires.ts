import http2, { type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import {
  type AnswerHead,
  type OpenHead,
  type StreamEvents,
  Tunnel,
  type TunnelStream,
} from '@postern/tunnel';

/** How requests travel: by our own protocol, or by that of Node. */
export type WireName = 'tunnel' | 'http2';

/** The end that asks. */
export interface AskingEnd {
  /** Asks for the path and reads the answer to its end; returns how many bytes it had. */
  ask(path: string): Promise<number>;
  /** Asks for something that never ends; resolves with the head of the answer. */
  hold(): Promise<void>;
}

const answerBody = Buffer.alloc(2048, 'x');
const bulkChunk = Buffer.alloc(65_536, 'y');

// As many headers as one of kubectl's requests has behind the edge, the grant included.
const headers = [
  ['accept', 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'],
  ['accept-encoding', 'gzip'],
  ['user-agent', 'kubectl/v1.36.0 (linux/amd64) kubernetes/0000000'],
  ['kubectl-command', 'kubectl get'],
  ['kubectl-session', '0198a000-0000-7000-8000-000000000001'],
  ['postern-request-id', '0198a000-0000-7000-8000-000000000002'],
  ['postern-grant', 'g'.repeat(700)],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
] as const;
const answerHeaders = [
  ['content-type', 'application/json'],
  ['content-length', '2048'],
  ['audit-id', '0198a000-0000-7000-8000-000000000003'],
  ['cache-control', 'no-cache, private'],
  ['date', 'Sat, 28 Nov 2026 10:00:00 GMT'],
] as const;

const report = (error: unknown) => {
  throw error;
};

/** The asking end over a connected socket. */
export function askOver(wire: WireName, socket: TLSSocket): AskingEnd {
  return wire === 'tunnel' ? new TunnelAsking(socket) : new Http2Asking(socket);
}

/** Answers over an accepted socket: `/answer` 2 kB, `/bulk/N` N bytes, `/hold` a head and nothing more. */
export function answerTunnel(socket: TLSSocket): Tunnel {
  return new Tunnel(socket, { side: 'listener', accept: acceptTunnelStream, report });
}

class TunnelAsking implements AskingEnd {
  readonly #tunnel: Tunnel;

  constructor(socket: TLSSocket) {
    this.#tunnel = new Tunnel(socket, { side: 'dialer', report });
  }

  ask(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      let bytes = 0;
      this.#open(path, {
        data: (chunk) => void (bytes += chunk.length),
        end: () => resolve(bytes),
        reset: reject,
        drain: () => undefined,
      }).end();
    });
  }

  hold(): Promise<void> {
    return new Promise((resolve, reject) => {
      const events = { answer: () => resolve(), data: ignore, end: ignore, reset: reject, drain: ignore };
      this.#open('/hold', events).end();
    });
  }

  #open(path: string, events: StreamEvents): TunnelStream {
    // Written anew for each, as headers of real requests are.
    const flat = headers.flatMap(([name, value]) => [name, value]);
    return this.#tunnel.open({ method: 'GET', path, headers: flat }, events);
  }
}

function acceptTunnelStream(stream: TunnelStream, { path }: OpenHead): StreamEvents {
  const head: AnswerHead = { status: 200, headers: answerHeaders.flatMap(([name, value]) => [name, value]) };
  stream.answer(head);
  let left = bulkBytes(path);
  const pump = () => {
    let hasRoom = true;
    while (hasRoom && left > 0) {
      left -= bulkChunk.length;
      hasRoom = stream.write(bulkChunk);
    }
    if (left <= 0) stream.end();
  };
  if (left > 0) pump();
  else if (path !== '/hold') stream.end(answerBody);
  return { data: ignore, end: ignore, reset: ignore, drain: pump };
}

class Http2Asking implements AskingEnd {
  readonly #session: ClientHttp2Session;

  constructor(socket: TLSSocket) {
    const settings = { initialWindowSize: 4 * 1024 * 1024, enablePush: false };
    this.#session = http2.connect('https://localhost', {
      createConnection: () => socket,
      peerMaxConcurrentStreams: 20_000,
      settings,
    });
    this.#session.once('connect', () => this.#session.setLocalWindowSize(16 * 1024 * 1024));
    this.#session.on('error', report);
  }

  ask(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      let bytes = 0;
      const stream = this.#session.request({
        ':method': 'GET',
        ':path': path,
        ...Object.fromEntries(headers),
      });
      stream.on('data', (chunk: Buffer) => void (bytes += chunk.length));
      stream.on('end', () => resolve(bytes));
      stream.on('error', reject);
    });
  }

  hold(): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'GET',
        ':path': '/hold',
        ...Object.fromEntries(headers),
      });
      stream.on('data', ignore).on('error', reject);
      stream.once('response', () => resolve());
    });
  }
}

/** Answers a request that came over HTTP/2 as `answerTunnel` does. */
export function answerHttp2(stream: ServerHttp2Stream, path: string): void {
  stream.on('error', ignore);
  stream.respond({
    ':status': 200,
    ...Object.fromEntries(answerHeaders.filter(([name]) => name !== 'content-length')),
  });
  let left = bulkBytes(path);
  const pump = () => {
    let hasRoom = true;
    while (hasRoom && left > 0) {
      left -= bulkChunk.length;
      hasRoom = stream.write(bulkChunk);
    }
    if (left <= 0) stream.end();
  };
  if (left > 0) stream.on('drain', pump);
  if (left > 0) pump();
  else if (path !== '/hold') stream.end(answerBody);
}

function bulkBytes(path: string): number {
  return path.startsWith('/bulk/') ? Number(path.slice(6)) : 0;
}

function ignore(): void {}
