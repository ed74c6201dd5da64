import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '@postern/core';
import { type AssertionAudience, followIdentity, type HeldIdentity, serverTls } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import { makeApp, refuseOtherMethods } from './app.ts';
import { drain, listenOn, type ListenAddress } from './listen.ts';
import type { IsRevoked } from './caller.ts';
import { defaultLimits, type HttpLimits } from './limits.ts';
import { mount } from './mount.ts';
import { observeRequests } from './observe.ts';
import { Readiness } from './readiness.ts';
import type { Route } from './route.ts';
import { type TurnAway, turningAway } from './turn-away.ts';

/** What a service listens with. */
export interface HttpServerOptions<Deps> {
  /** Its key, its certificate and whom it trusts; replaced in the running listener when renewed. */
  readonly identity: HeldIdentity;
  /** Its name as the audience of assertions. */
  readonly service: AssertionAudience;
  readonly telemetry: Telemetry;
  readonly routes: readonly Route<Deps>[];
  readonly deps: Deps;
  readonly limits?: Partial<HttpLimits>;
  readonly readiness?: Readiness;
  readonly clock?: Clock;
  /** Asked about the edge of each forwarded request; without it an edge is believed until its certificate ends. */
  readonly isRevoked?: IsRevoked;
  /** Whose requests are refused unread. */
  readonly turnAway?: TurnAway;
}

/** A listener of a service. */
export interface HttpServer extends AsyncDisposable {
  readonly readiness: Readiness;
  /** Port 0 takes a free one. */
  listen(address: ListenAddress): Promise<{ readonly url: string; readonly port: number }>;
  setReady(isReady: boolean): void;
  /** Turns readiness red, stops accepting, and waits a bounded time for what is being answered. */
  close(): Promise<void>;
}

/**
 * The HTTPS listener of a service: mutual TLS with the host CA, where a client certificate is asked for and needed by
 * everything but public operations.
 */
export function httpServer<Deps>(options: HttpServerOptions<Deps>): HttpServer {
  const {
    identity,
    service,
    telemetry,
    routes,
    deps,
    readiness = new Readiness(),
    clock = systemClock,
    isRevoked,
    turnAway,
  } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const server: { current?: Server } = {};
  const listener = (handler: RequestListener) =>
    turnAway ? turningAway(handler, turnAway, { telemetry, limits }) : handler;
  const app = makeApp(
    (handler) => (server.current = secureServer(identity, limits, listener(handler))),
    limits,
  );
  observeRequests(app, telemetry);
  for (const route of routes)
    mount(app, route, { deps, trust: () => identity.trust(), service, telemetry, clock, isRevoked });
  refuseOtherMethods(app, routes);
  const close = once(async () => {
    readiness.stop();
    await drain(server.current!, limits.drainMs);
    await app.close();
  });
  return {
    readiness,
    setReady: (isReady) => readiness.setReady(isReady),
    listen: async (address) => {
      await app.ready();
      const { port } = (await listenOn(server.current!, address)) satisfies AddressInfo;
      return { url: `https://${hostInUrl(address.host)}:${port}`, port };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function secureServer(identity: HeldIdentity, limits: HttpLimits, handler: RequestListener): Server {
  const server = createServer(
    {
      ...serverTls(identity, 'host'),
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkEveryMs,
    },
    handler,
  );
  server.maxConnections = limits.connections;
  // Node drops fields beyond this number without a word; one more than allowed lets us see that there were too many.
  server.maxHeadersCount = limits.headerCount + 1;
  const stopFollowing = followIdentity(server, identity, 'host');
  server.on('close', stopFollowing);
  return server;
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}
