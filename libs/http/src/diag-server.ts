import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { drain, listenOn, type ListenAddress } from './listen.ts';
import type { Readiness } from './readiness.ts';

/** What the diagnostics listener tells. */
export interface DiagServerOptions {
  readonly telemetry: Telemetry;
  readonly readiness: Pick<Readiness, 'state'>;
}

/** The diagnostics listener of a process. */
export interface DiagServer extends AsyncDisposable {
  listen(address: ListenAddress): Promise<{ readonly url: string; readonly port: number }>;
  close(): Promise<void>;
}

interface DiagReply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type DiagPage = () => DiagReply | Promise<DiagReply>;

/**
 * `/healthz`, `/readyz` and `/metrics` over plain HTTP, for probes and Prometheus, and nothing else. It has a listener of
 * its own, so that it can be kept inside.
 */
export function diagServer({ telemetry, readiness }: DiagServerOptions): DiagServer {
  const pages: Readonly<Record<string, DiagPage>> = {
    '/healthz': () => json(200, { status: 'ok' }),
    '/readyz': () => ready(readiness),
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4',
      body: await telemetry.metrics(),
    }),
  };
  const server = createServer(
    {
      maxHeaderSize: 8 * 1024,
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => void answer(pages, request, response, telemetry),
  );
  server.maxConnections = 100;
  const close = () => drain(server, 1_000);
  return {
    listen: async (address) => {
      const { port } = await listenOn(server, address);
      return {
        url: `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`,
        port,
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function answer(
  pages: Readonly<Record<string, DiagPage>>,
  request: IncomingMessage,
  response: ServerResponse,
  { log }: Telemetry,
): Promise<void> {
  const { status, type, body } = await pageOf(pages, request).catch((error: unknown) => {
    log.error('a diagnostics page failed', { reason: messageOf(error) });
    return json(500, { status: 'failed' });
  });
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function pageOf(
  pages: Readonly<Record<string, DiagPage>>,
  { method, url = '' }: IncomingMessage,
): Promise<DiagReply> {
  const path = url.split('?', 1)[0]!;
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (!page) return json(404, { status: 'not found' });
  return method === 'GET' || method === 'HEAD' ? page() : json(405, { status: 'method not allowed' });
}

function ready({ state }: DiagServerOptions['readiness']): DiagReply {
  return state === 'ready' ? json(200, { status: 'ok' }) : json(503, { status: state });
}

function json(status: number, body: object): DiagReply {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}
