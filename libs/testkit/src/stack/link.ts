import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What a link does to what is sent through it. */
export type LinkState =
  /** Passes everything on. */
  | 'open'
  /** Resets every connection and each new one. */
  | 'cut'
  /** Keeps connections, takes new ones, and passes nothing on until it is open again. */
  | 'stalled'
  /** Passes everything on late, and little at a time. */
  | 'slow'
  /** The far side is gone and the near side is never told: bytes vanish, and so do those after it is open again. */
  | 'halfOpen';

/** A piece of network between two processes that can be broken in several ways. */
export interface Link extends AsyncDisposable {
  /** Where to connect, on 127.0.0.1. */
  readonly port: number;
  set(state: LinkState): void;
}

const slowness = { delayMs: 20, bytesPerSecond: 256 * 1024 } as const;

/** Opens a link to a port of this machine; the port of its own end is free unless given. */
export async function openLink(toPort: number): Promise<Link> {
  const link = new TcpLink(toPort);
  await link.listen();
  return link;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

class TcpLink implements Link {
  readonly #toPort: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #silenced = new Set<Socket>();
  #state: LinkState = 'open';
  #passable = Promise.withResolvers<void>();

  constructor(toPort: number) {
    this.#toPort = toPort;
    this.#server = createServer((near) => this.#accept(near));
    this.#passable.resolve();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  set(state: LinkState): void {
    this.#state = state;
    if (state === 'stalled') this.#passable = Promise.withResolvers();
    else this.#passable.resolve();
    if (state === 'cut') for (const pair of this.#pairs) this.#drop(pair);
    if (state === 'halfOpen') for (const pair of this.#pairs) this.#silence(pair);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.set('cut');
    for (const socket of this.#silenced) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    near.on('error', () => {});
    if (this.#state === 'cut') return void near.resetAndDestroy();
    if (this.#state === 'halfOpen') return this.#swallow(near);
    const far = connect({ host: '127.0.0.1', port: this.#toPort, noDelay: true });
    near.setNoDelay(true);
    const pair = { near, far };
    this.#pairs.add(pair);
    far.on('error', () => this.#drop(pair));
    near.on('close', () => this.#drop(pair));
    far.on('close', () => this.#drop(pair));
    void this.#carry(near, far);
    void this.#carry(far, near);
  }

  async #carry(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        await this.#passable.promise;
        if (this.#state === 'slow') await delay(delayOf(chunk as Buffer));
        if (to.destroyed) return;
        if (!to.write(chunk as Buffer)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
      }
      to.end();
    } catch {
      // Of a connection that was cut; its pair is dropped by its own events.
    }
  }

  #drop(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    for (const socket of [pair.near, pair.far]) if (!socket.destroyed) socket.resetAndDestroy();
  }

  #silence(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.far.destroy();
    this.#swallow(pair.near);
  }

  #swallow(near: Socket): void {
    this.#silenced.add(near);
    near.on('close', () => this.#silenced.delete(near));
    near.resume();
  }
}

function delayOf(chunk: Buffer): number {
  return slowness.delayMs + (1000 * chunk.length) / slowness.bytesPerSecond;
}
