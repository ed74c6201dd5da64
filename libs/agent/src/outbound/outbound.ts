import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { failure, messageOf, type Secret } from '@postern/core';
import type { buildConnector } from 'undici';
import { connectThrough, type HttpProxy, readHttpProxy } from './http-proxy.ts';
import { type Destination, isExempt } from './no-proxy.ts';

/** No connection to the control plane came about. */
export const ConnectFailed = failure(
  'unavailable',
  'agent.connect_failed',
  (to: string, why: string) => `no connection to ${to}: ${why}`,
);

/** `HTTPS_PROXY` and `NO_PROXY`, as they were found. */
export interface ProxySettings {
  readonly httpsProxy?: Secret | undefined;
  readonly noProxy?: string | undefined;
}

/** Bounds of an attempt. Milliseconds. */
export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** The way out of the network of this process, towards the control plane. */
export class Outbound {
  readonly #proxy: HttpProxy | undefined;
  readonly #noProxy: string;

  constructor({ httpsProxy, noProxy = '' }: ProxySettings = {}) {
    this.#proxy = httpsProxy && readHttpProxy(httpsProxy);
    this.#noProxy = noProxy;
  }

  /**
   * Opens a TLS connection, through the proxy where one is configured for the destination. The handshake is done and the
   * server is who `tls` demands when it is returned; otherwise the attempt fails as unavailable, with the cause.
   */
  async connect(to: Destination, tls: ConnectionOptions, patience: Patience): Promise<TLSSocket> {
    const name = `${to.host}:${to.port}`;
    const end = performance.now() + patience.timeoutMs;
    const proxy = this.#proxy && !isExempt(this.#noProxy, to) ? this.#proxy : undefined;
    const tcp = proxy ? await connectThrough(proxy, to, patience) : connectTcp({ ...to, noDelay: true });
    const servername = tls.servername ?? (isIP(to.host) === 0 ? to.host : undefined);
    const socket = connectTls({
      ...tls,
      host: to.host,
      socket: tcp,
      ...(servername === undefined ? {} : { servername }),
    });
    try {
      await secured(socket, tcp, { ...patience, timeoutMs: end - performance.now() });
      return socket;
    } catch (error) {
      socket.destroy();
      tcp.destroy();
      patience.signal?.throwIfAborted();
      throw ConnectFailed.from(error, name, messageOf(error));
    }
  }

  /** The same for undici: `tls` is asked at each connection, for a certificate is renewed in between. */
  connector(tls: () => ConnectionOptions, timeoutMs: number): buildConnector.connector {
    return ({ hostname, port }, callback) => {
      const to = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || 443 };
      void this.#tell(to, { ...tls(), ALPNProtocols: ['http/1.1'] }, { timeoutMs, callback });
    };
  }

  async #tell(
    to: Destination,
    tls: ConnectionOptions,
    { timeoutMs, callback }: Patience & { readonly callback: buildConnector.Callback },
  ): Promise<void> {
    let socket: TLSSocket;
    try {
      socket = await this.connect(to, tls, { timeoutMs });
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    callback(null, socket);
  }
}

function secured(socket: TLSSocket, tcp: Socket, { timeoutMs, signal }: Patience): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('it did not answer in time')), Math.max(0, timeoutMs));
  const aborted = () => reject(new Error('given up'));
  signal?.addEventListener('abort', aborted, { once: true });
  if (signal?.aborted) aborted();
  tcp.once('error', reject);
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('it closed the connection')));
  socket.once('secureConnect', resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', aborted);
    // An error later is told by the close that follows it.
    tcp.on('error', () => undefined);
    socket.on('error', () => undefined);
  });
}
