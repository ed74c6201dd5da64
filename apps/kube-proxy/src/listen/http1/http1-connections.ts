import type { TLSSocket } from 'node:tls';
import type { Leaving } from '../exchange.ts';
import type { Peer } from '../peer.ts';
import type { FrontHandlers } from '../tls-front.ts';
import { type ConnectionOwner, Http1Connection, type Http1Limits } from './http1-connection.ts';

const checkMs = 5000;

/** The connections of a listener that speak HTTP/1.1. */
export class Http1Connections implements ConnectionOwner {
  readonly handlers: FrontHandlers;
  readonly limits: Http1Limits;
  readonly #leaving: Readonly<Leaving>;
  readonly #open = new Set<Http1Connection>();
  readonly #timer: NodeJS.Timeout;

  constructor(handlers: FrontHandlers, limits: Http1Limits, leaving: Readonly<Leaving>) {
    this.handlers = handlers;
    this.limits = limits;
    this.#leaving = leaving;
    this.#timer = setInterval(() => this.#check(), Math.min(checkMs, limits.headersMs)).unref();
  }

  get isLeaving(): boolean {
    return this.#leaving.isLeaving;
  }

  /** Takes a connection whose handshake is done. */
  take(socket: TLSSocket, peer: Peer): void {
    this.#open.add(new Http1Connection(socket, peer, this));
  }

  left(connection: Http1Connection): void {
    this.#open.delete(connection);
  }

  /** Ends connections on which nothing of a request is there. */
  endIdle(): void {
    for (const connection of this.#open) connection.endIdle();
  }

  /** Looks after nobody any more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#open) connection.check(now);
  }
}
