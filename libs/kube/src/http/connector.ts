import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls';
import { errors } from 'undici';
import type { Http1Connection } from './http1-connection.ts';

const connectMs = 10_000;

/** Opens TLS connections to one server, all of them from one context: its parsed certificates are most of what one costs. */
export class Connector {
  #options: ConnectionOptions;
  #session: Buffer | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = withContext(options);
  }

  /** Options of `tls.connect` for whoever needs a connection of its own. */
  get options(): ConnectionOptions {
    return this.#options;
  }

  /** Trusts other authorities (PEM) from the next connection on. */
  trust(ca: string): void {
    this.#options = withContext({ ...this.#options, ca });
    this.#session = undefined;
  }

  /** Connects. `reader` gets what is read from the first byte on; without it the socket is an ordinary one. */
  open(protocols: readonly string[], reader?: Http1Connection): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const options = { ...this.#options, ALPNProtocols: [...protocols] };
      const session = this.#session ? { session: this.#session } : {};
      const socket = connect({ ...options, ...session, ...(reader ? { onread: reader.onread } : {}) });
      const timer = setTimeout(() => socket.destroy(new errors.ConnectTimeoutError()), connectMs);
      const fail = (error: Error) => {
        clearTimeout(timer);
        this.#session = undefined;
        reject(error);
      };
      const close = () => fail(new errors.SocketError('the server closed the connection'));
      socket.setNoDelay(true);
      socket.once('error', fail);
      socket.once('close', close);
      socket.on('session', (next) => (this.#session = next));
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        socket.off('close', close);
        resolve(socket);
      });
    });
  }
}

function withContext(options: ConnectionOptions): ConnectionOptions {
  const { ca, cert, key, minVersion } = options;
  return { ...options, secureContext: createSecureContext({ ca, cert, key, minVersion }) };
}
