import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
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
import { type Exchange, http2Exchange, type Leaving } from './exchange.ts';
import { Http1Connections } from './http1/http1-connections.ts';
import { type Peer, readPeer } from './peer.ts';
import type { UpgradeAnswer } from './upgrade-answer.ts';

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
  readonly #http1: Http1Connections;
  /** Connections of clients by address and port; tunnels belong to others. */
  readonly #sockets = new Map<string, Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Every connection with a certificate, tunnels too. */
  readonly #certified = new Map<TLSSocket, Peer>();
  readonly #unfollow: () => void;
  readonly #leaving: Leaving = { isLeaving: false };
  #whenEmpty: () => void = () => undefined;

  constructor(options: FrontOptions, handlers: PortHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#http1 = new Http1Connections(handlers, options.limits, this.#leaving);
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
    return { port: (this.#tls.address() as AddressInfo).port };
  }

  /**
   * Takes no more connections. Clients are told that theirs ends: over HTTP/2 at once, over HTTP/1.1 with their next answer. One that
   * asks nothing for half of the grace is ended: earlier, requests on their way in would be lost. After the grace the rest is cut.
   * Tunnels stay open.
   */
  async close(graceMs = this.#options.limits.closeGraceMs): Promise<void> {
    this.#unfollow();
    this.#leaving.isLeaving = true;
    const empty = new Promise<void>((resolve) => (this.#whenEmpty = resolve));
    this.#tls.close();
    if (this.#sockets.size === 0) this.#whenEmpty();
    for (const session of this.#sessions) session.close();
    const endIdle = setTimeout(() => this.#http1.endIdle(), graceMs / 2);
    const cut = setTimeout(() => this.#cut(), graceMs);
    await empty;
    clearTimeout(endIdle);
    clearTimeout(cut);
    this.#http1.stop();
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
    this.#http1.take(socket, peer);
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
}

function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
