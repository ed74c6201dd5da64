import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A server behind the balancer. */
export interface Backend {
  readonly port: number;
  /** What its probe says. */
  readonly isReady: () => Promise<boolean>;
}

/** One address in front of several servers of this machine. */
export interface ReadyBalancer extends AsyncDisposable {
  readonly port: number;
}

const probeMs = 250;

/**
 * Starts what a balancer of connections (layer 4) with health checks is: each connection goes in turn to a server whose probe
 * answers, and to the next one where it is refused. It keeps no connection back and repeats nothing.
 */
export async function startReadyBalancer(backends: readonly Backend[]): Promise<ReadyBalancer> {
  const sockets = new Set<Socket>();
  const ready = new Set<Backend>(backends);
  const closing = new AbortController();
  const { signal } = closing;
  const probes = backends.map(async (backend) => {
    while (!signal.aborted) {
      if (await backend.isReady().catch(() => false)) ready.add(backend);
      else ready.delete(backend);
      await delay(probeMs, undefined, { signal }).catch(() => undefined);
    }
  });
  let turn = 0;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (near) => {
    follow(sockets, near);
    turn += 1;
    const inTurn = backends.map((_, at) => backends[(turn + at) % backends.length]!);
    void forward(near, [...inTurn.filter((one) => ready.has(one)), ...inTurn], sockets);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      closing.abort();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all(probes);
    },
  };
}

async function forward(near: Socket, backends: readonly Backend[], sockets: Set<Socket>): Promise<void> {
  for (const { port } of backends) {
    const far = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    follow(sockets, far);
    const isThere = await new Promise<boolean>((resolve) => {
      far.once('connect', () => resolve(true));
      far.once('close', () => resolve(false));
    });
    if (!isThere) continue;
    for (const socket of [near, far]) {
      socket.once('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    if (near.destroyed) far.destroy();
    near.pipe(far).pipe(near);
    return;
  }
  near.destroy();
}

function follow(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.once('close', () => sockets.delete(socket));
}
