import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { Clock } from '@postern/core';
import {
  type AcceptedClients,
  type CurrentIdentity,
  droppedAuthorities,
  followIdentity,
  type HeldIdentity,
  isIssuedBy,
  serverTls,
} from '@postern/identity';
import { tunnelProtocol } from '@postern/tunnel';
import { type Exchange, http1Exchange, http2Exchange, type Leaving } from './exchange.ts';
import { type Peer, readPeer } from './peer.ts';
import { Http1UpgradeAnswer, type UpgradeAnswer } from './upgrade-answer.ts';

/** Limits of a listener. Times are milliseconds. */
export interface FrontLimits {
  readonly handshakeMs: number;
  readonly headersMs: number;
  readonly requestMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConnectionsPerAddress: number;
  /** How long requests under way may go on when the listener closes. */
  readonly closeGraceMs: number;
}

export const defaultLimits: FrontLimits = {
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 600_000,
  maxHeaderBytes: 65_536,
  maxConnectionsPerAddress: 20_000,
  closeGraceMs: 2000,
};

/** An upgrade request before anything was answered. */
export interface UpgradeExchange {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  readonly answer: UpgradeAnswer;
}

export interface FrontHandlers {
  request(exchange: Exchange): void;
  upgrade(exchange: UpgradeExchange): void;
}

/** A front that takes tunnels has somebody who owns them from then on. */
export interface PortHandlers extends FrontHandlers {
  tunnel(socket: TLSSocket, peer: Peer): void;
}

export interface FrontOptions {
  readonly held: HeldIdentity;
  readonly clock: Clock;
  /** Whose certificates are asked for: those of agents and services alone, or those of people and bots too. */
  readonly clients: AcceptedClients;
  readonly limits: FrontLimits;
}

/**
 * One TLS port for HTTP/1.1, HTTP/2 and tunnels. Each protocol gets its connections from one listener, chosen by ALPN, so that
 * certificates, limits and the reading of the peer are one piece of code.
 */
export class TlsFront implements AsyncDisposable {
  readonly #options: FrontOptions;
  readonly #handlers: PortHandlers;
  readonly #tls: TlsServer;
  readonly #http1: Server;
  /** Connections of clients by address and port; tunnels belong to others. */
  readonly #sockets = new Map<string, Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #peers = new WeakMap<object, Peer>();
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Every connection with a certificate, tunnels too. */
  readonly #certified = new Map<TLSSocket, Peer>();
  readonly #unfollow: () => void;
  readonly #leaving: Leaving = { isLeaving: false };
  #whenEmpty: () => void = () => undefined;

  constructor(options: FrontOptions, handlers: PortHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#http1 = this.#createHttp1();
    this.#tls = createTlsServer({
      ...serverTls(options.held, options.clients),
      ALPNProtocols: ['h2', 'http/1.1', tunnelProtocol],
      handshakeTimeout: options.limits.handshakeMs,
      noDelay: true,
    });
    this.#tls.on('connection', (socket: Socket) => this.#admit(socket));
    this.#tls.on('secureConnection', (socket) => this.#serve(socket));
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    const unfollow = followIdentity(this.#tls, options.held, options.clients);
    const stop = options.held.onChange((now, before) => this.#cutUntrusted(now, before));
    this.#unfollow = () => {
      unfollow();
      stop();
    };
  }

  async listen(at: { host: string; port: number }): Promise<{ port: number }> {
    await new Promise<void>((resolve, reject) => {
      this.#tls.once('error', reject);
      this.#tls.listen({ ...at, backlog: 4096 }, resolve);
    });
    this.#tls.on('error', () => undefined);
    // Starts the check for slow headers, which a server that owns no port does not begin by itself.
    this.#http1.emit('listening');
    return { port: (this.#tls.address() as AddressInfo).port };
  }

  /**
   * Takes no more connections. Clients are told that theirs ends: over HTTP/2 at once, over HTTP/1.1 with their next answer. One that
   * asks nothing for half of the grace is ended: earlier, Node would cut answers that are whole but not yet out, and requests on
   * their way in. After the grace the rest is cut. Tunnels stay open.
   */
  async close(graceMs = this.#options.limits.closeGraceMs): Promise<void> {
    this.#unfollow();
    this.#leaving.isLeaving = true;
    const empty = new Promise<void>((resolve) => (this.#whenEmpty = resolve));
    this.#tls.close();
    if (this.#sockets.size === 0) this.#whenEmpty();
    for (const session of this.#sessions) session.close();
    const endIdle = setTimeout(() => this.#http1.closeIdleConnections(), graceMs / 2);
    const cut = setTimeout(() => this.#cut(), graceMs);
    await empty;
    clearTimeout(endIdle);
    clearTimeout(cut);
    this.#http1.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut();
    await this.close(0);
  }

  /** Who was let in by an authority that is not trusted any more is put out, whatever is under way. */
  #cutUntrusted(now: CurrentIdentity, before: CurrentIdentity): void {
    const dropped = droppedAuthorities(before, now);
    if (dropped.length === 0) return;
    for (const [socket, { verified }] of this.#certified)
      if (verified && isIssuedBy(verified.certificate, dropped)) socket.destroy();
  }

  #cut(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }

  #createHttp1(): Server {
    const { headersMs, requestMs, maxHeaderBytes } = this.#options.limits;
    const server = createHttpServer({
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      maxHeaderSize: maxHeaderBytes,
      connectionsCheckingInterval: Math.min(5000, headersMs),
      keepAliveTimeout: 75_000,
    });
    // Zero is no limit here; Node would drop what is over the limit silently, and we refuse it.
    server.maxHeadersCount = 0;
    server.on('request', (req, res) => {
      const exchange = http1Exchange(req, res, this.#peerOf(req), this.#leaving);
      if (exchange.hasBody) res.once('finish', () => endUpload(req));
      this.#handlers.request(exchange);
    });
    server.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head));
    server.on('connect', (_req, socket) => {
      socket.end('HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
    return server;
  }

  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const count = (this.#perAddress.get(address) ?? 0) + 1;
    const key = keyOf(socket);
    this.#sockets.set(key, socket);
    this.#perAddress.set(address, count);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#forget(key);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
    if (count > this.#options.limits.maxConnectionsPerAddress) socket.destroy();
  }

  #serve(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    const peer = readPeer(socket, this.#options.held.trust(), this.#options.clock());
    if (peer.verified) this.#follow(socket, peer);
    if (socket.alpnProtocol === 'h2') {
      this.#serveHttp2(socket, peer);
      return;
    }
    if (socket.alpnProtocol === tunnelProtocol) {
      this.#forget(keyOf(socket));
      this.#handlers.tunnel(socket, peer);
      return;
    }
    this.#peers.set(socket, peer);
    this.#http1.emit('connection', socket);
  }

  #follow(socket: TLSSocket, peer: Peer): void {
    this.#certified.set(socket, peer);
    socket.once('close', () => this.#certified.delete(socket));
  }

  #forget(key: string): void {
    this.#sockets.delete(key);
    if (this.#sockets.size === 0) this.#whenEmpty();
  }

  #serveHttp2(socket: TLSSocket, peer: Peer): void {
    const session = performServerHandshake(socket, {
      maxSessionMemory: 64,
      maxHeaderListPairs: 256,
      settings: {
        maxConcurrentStreams: 1000,
        maxHeaderListSize: this.#options.limits.maxHeaderBytes,
        enablePush: false,
      },
    });
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.on('error', () => undefined);
    session.on('stream', (stream, _headers, _flags, rawHeaders) => {
      stream.on('error', () => undefined);
      this.#handlers.request(http2Exchange(stream, rawHeaders, peer));
    });
  }

  #peerOf(req: IncomingMessage): Peer {
    return this.#peers.get(req.socket)!;
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#handlers.upgrade({
      method: req.method!,
      target: req.url!,
      rawHeaders: req.rawHeaders,
      peer: this.#peerOf(req),
      answer: new Http1UpgradeAnswer(socket, head),
    });
  }
}

const uploadGraceMs = 1000;

/** Node reads on what a client sends after it was answered, for as long as it sends. The grace is for it to read the answer. */
function endUpload(req: IncomingMessage): void {
  if (req.complete) return;
  const timer = setTimeout(() => {
    if (!req.complete) req.socket.destroy();
  }, uploadGraceMs);
  timer.unref();
  req.once('close', () => clearTimeout(timer));
}

function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
