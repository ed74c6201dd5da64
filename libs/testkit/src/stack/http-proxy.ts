import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy that opens connections by CONNECT, the only way out of some networks. */
export interface HttpProxy extends AsyncDisposable {
  /** For `HTTPS_PROXY`, with the password. */
  readonly url: string;
  /** Every destination that was asked for, `host:port`, in order. */
  readonly asked: readonly string[];
}

/** Names that only the proxy knows, and the ports of this machine that they lead to. Anything else is refused. */
export type ProxyNames = Readonly<Record<string, number>>;

const credential = 'agent:open sesame';

/** Starts a proxy on 127.0.0.1 that wants a password and leads nowhere but to the given names. */
export async function startHttpProxy(names: ProxyNames): Promise<HttpProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connection', (socket) => follow(sockets, socket));
  server.on('connect', (request, near: Socket) => {
    const target = request.url ?? '';
    asked.push(target);
    const expected = `Basic ${Buffer.from(credential).toString('base64')}`;
    const port = names[target.replace(/:\d+$/, '')];
    if (request.headers['proxy-authorization'] !== expected)
      refuse(near, '407 Proxy Authentication Required');
    else if (port === undefined) refuse(near, '403 Forbidden');
    else join(near, follow(sockets, connect({ host: '127.0.0.1', port, noDelay: true })));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const [user, password] = credential.split(':').map(encodeURIComponent);
  return {
    url: `http://${user}:${password}@127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function follow(sockets: Set<Socket>, socket: Socket): Socket {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.once('close', () => sockets.delete(socket));
  return socket;
}

function refuse(near: Socket, status: string): void {
  near.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
}

function join(near: Socket, far: Socket): void {
  near.setNoDelay(true);
  far.once('connect', () => {
    near.write('HTTP/1.1 200 OK\r\n\r\n');
    near.pipe(far).pipe(near);
  });
  near.once('close', () => far.destroy());
  far.once('close', () => near.destroy());
}
