import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { failure, messageOf, type Secret } from '@postern/core';
import type { Destination } from './no-proxy.ts';

/** A proxy address that cannot be used. Its text may hold a password, so it is not repeated. */
export const InvalidHttpProxy = failure(
  'invalid_argument',
  'agent.invalid_http_proxy',
  () => 'HTTPS_PROXY must be like http://host:port or https://user:password@host:port',
);

/** The proxy did not open a way to the control plane. */
export const HttpProxyRefused = failure(
  'unavailable',
  'agent.http_proxy_refused',
  (proxy: string, why: string) => `the proxy ${proxy} of HTTPS_PROXY opened no connection: ${why}`,
);

/** An HTTP proxy that opens connections by CONNECT (RFC 9110 9.3.6). */
export interface HttpProxy extends Destination {
  /** Whether the proxy itself is reached over TLS. */
  readonly isTls: boolean;
  /** Value of `Proxy-Authorization`; empty for none. */
  readonly authorization: string;
}

/** Reads the value of `HTTPS_PROXY`; a plain `host:port` is a proxy without TLS. */
export function readHttpProxy(value: Secret): HttpProxy {
  const text = value.reveal();
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw InvalidHttpProxy();
  const isTls = url.protocol === 'https:';
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    isTls,
    authorization: user === ':' ? '' : `Basic ${Buffer.from(user).toString('base64')}`,
  };
}

/** Asks the proxy for a connection to the destination, whose bytes then are the socket's. Waits `timeoutMs` at most. */
export function connectThrough(
  proxy: HttpProxy,
  to: Destination,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Socket> {
  const target = `${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port}`;
  const name = `${proxy.host}:${proxy.port}`;
  const ask: typeof httpRequest = proxy.isTls ? httpsRequest : httpRequest;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const request: ClientRequest = ask({
    host: proxy.host,
    port: proxy.port,
    method: 'CONNECT',
    path: target,
    headers: {
      host: target,
      ...(proxy.authorization === '' ? {} : { 'proxy-authorization': proxy.authorization }),
    },
    agent: false,
    timeout: timeoutMs,
    ...(signal ? { signal } : {}),
  });
  request.once('connect', ({ statusCode = 0 }: IncomingMessage, socket: Socket, head: Buffer) => {
    if (statusCode >= 200 && statusCode < 300 && head.length === 0) {
      socket.setTimeout(0);
      resolve(socket);
      return;
    }
    socket.destroy();
    // Whoever speaks before the TLS client does is no server of ours.
    reject(HttpProxyRefused(name, head.length > 0 ? 'it spoke first' : `status ${statusCode}`));
  });
  request.once('timeout', () => request.destroy(new Error('it did not answer in time')));
  request.once('error', (error) => reject(HttpProxyRefused.from(error, name, messageOf(error))));
  request.end();
  return promise;
}
