import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';
import { type AppError, messageOf } from '@postern/core';
import type { Dispatcher } from 'undici';
import { BadGateway, UpstreamUnreachable } from './answers.ts';
import type {
  Arrival,
  SentRequest,
  UpgradeEvents,
  UpgradeProtocol,
  UpgradeUpstream,
  UpstreamRequest,
} from './upstream.ts';

/** A server that is reached by HTTP over TLS. */
export interface HttpServer {
  /** `https://host:port`. */
  readonly origin: string;
  readonly host: string;
  /** Path prefix, without a trailing slash. */
  readonly basePath: string;
  /** Connections for short requests, and for those that stay open. */
  readonly requests: Dispatcher;
  readonly streams: Dispatcher;
  /** For a connection of its own, as an upgrade needs. */
  readonly tls: ConnectionOptions;
}

const headersTimeoutMs = 75_000;
const upgradeTimeoutMs = 35_000;

/** Requests over pooled connections; upgrades over a connection each. */
export class HttpUpstream implements UpgradeUpstream {
  readonly #server: HttpServer;

  constructor(server: HttpServer) {
    this.#server = server;
  }

  dispatch(
    { method, path, headers, isLongLived, body }: SentRequest,
    handler: Dispatcher.DispatchHandler,
  ): void {
    const { origin, host, basePath, requests, streams } = this.#server;
    (isLongLived ? streams : requests).dispatch(
      {
        origin,
        path: basePath + path,
        method,
        headers: ['host', host, ...headers],
        body,
        headersTimeout: isLongLived ? 0 : headersTimeoutMs,
      },
      handler,
    );
  }

  upgrade(request: UpstreamRequest, protocol: UpgradeProtocol, events: UpgradeEvents): { destroy(): void } {
    const { host, basePath, tls } = this.#server;
    const socket = connect({ ...tls, ALPNProtocols: ['http/1.1'] });
    const told = once(events, () => socket.destroy());
    let arrival: Arrival = 'nowhere';
    socket.once('secureConnect', () => (arrival = 'unknown'));
    const req = httpsRequest({
      createConnection: () => socket,
      method: request.method,
      path: basePath + request.path,
      headers: ['host', host, ...request.headers, 'connection', 'Upgrade', 'upgrade', protocol],
      timeout: upgradeTimeoutMs,
    });
    req.once('upgrade', (res, joined, head) => {
      if (res.statusCode !== 101 || res.headers.upgrade?.toLowerCase() !== protocol.toLowerCase())
        told.failed(BadGateway('it switched to another protocol'));
      else told.joined(res, joined, head);
    });
    req.once('response', (res) => told.answered(res));
    req.once('continue', () => told.failed(BadGateway('it answered 100 to an upgrade')));
    req.once('information', ({ statusCode: status }) =>
      told.failed(BadGateway(`it answered ${status} to an upgrade`)),
    );
    req.once('timeout', () => told.failed(BadGateway('it did not answer the upgrade')));
    req.once('error', (error) =>
      told.failed(UpstreamUnreachable.from(error, messageOf(error).slice(0, 200)), arrival),
    );
    req.end();
    return { destroy: () => socket.destroy() };
  }
}

/** Tells one of the events, and never another. */
function once(events: UpgradeEvents, destroy: () => void) {
  let isTold = false;
  const first = (tell: () => void) => {
    if (isTold) return;
    isTold = true;
    tell();
  };
  const failed = (error: AppError, arrival: Arrival = 'unknown') =>
    first(() => {
      destroy();
      events.failed(error, arrival);
    });
  return {
    failed,
    joined: ({ headers }: IncomingMessage, stream: Duplex, head: Buffer) =>
      first(() => {
        stream.on('error', () => undefined);
        if (head.length > 0) stream.unshift(head);
        events.joined(headers, stream);
      }),
    answered: (res: IncomingMessage) => {
      const status = res.statusCode ?? 502;
      if (status < 200) failed(BadGateway('it switched to nothing'));
      else if (status >= 300 && status < 400) failed(BadGateway('it redirected'));
      else first(() => events.refused(status, res.headers, res));
    },
  };
}
