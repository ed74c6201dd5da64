import type { Duplex } from 'node:stream';
import type { SpdyHeaders } from '../spdy/header-block.ts';
import { SpdySession } from '../spdy/session.ts';
import {
  type Channel,
  clientChannels,
  type CommandEnd,
  type CommandEvents,
  serverChannels,
} from './command-end.ts';
import type { CommandRequest } from './command-request.ts';

/** The streams that a command has over SPDY, in the order in which kubectl opens them (remotecommand v4). */
export function streamsOf({ stdin, stdout, stderr, tty }: CommandRequest): Channel[] {
  const asked: readonly [Channel, boolean][] = [
    ['error', true],
    ['stdin', stdin],
    ['stdout', stdout],
    ['stderr', stderr],
    ['resize', tty],
  ];
  return asked.filter(([, isThere]) => isThere).map(([channel]) => channel);
}

/** A command over SPDY. In the role of a client, towards an API server, it opens the streams; in that of a server it waits for them. */
export class SpdyCommandEnd implements CommandEnd {
  readonly #session: SpdySession;
  readonly #events: CommandEvents;
  readonly #expected: readonly Channel[];
  readonly #incoming: readonly Channel[];
  readonly #ids = new Map<Channel, number>();
  readonly #channels = new Map<number, Channel>();
  readonly #awaited = new Set<Channel>();
  readonly #finished = new Set<Channel>();
  readonly #ended = new Set<Channel>();

  constructor(stream: Duplex, request: CommandRequest, role: 'client' | 'server', events: CommandEvents) {
    this.#events = events;
    this.#expected = streamsOf(request);
    this.#incoming = role === 'server' ? clientChannels : serverChannels;
    for (const channel of this.#expected) this.#awaited.add(channel);
    this.#session = new SpdySession(stream, role, {
      opened: (id, headers) => role === 'server' && this.#opened(id, headers),
      replied: (id) => this.#isThere(this.#channels.get(id)),
      data: (id, chunk) => {
        const channel = this.#channels.get(id);
        if (channel && this.#incoming.includes(channel)) events.data(channel, chunk);
      },
      finished: (id) => this.#finishedBy(this.#channels.get(id)),
      drained: () => events.drained(),
      closed: () => {
        for (const channel of this.#incoming) this.#finishedBy(channel);
        events.closed();
      },
    });
    if (role === 'client') {
      for (const channel of this.#expected)
        this.#known(channel, this.#session.open(new Map([['streamtype', channel]])));
    }
    this.#session.start();
  }

  send(channel: Channel, chunk: Buffer): boolean {
    const id = this.#ids.get(channel);
    return id === undefined || this.#ended.has(channel) || this.#session.send(id, chunk);
  }

  finish(channel: Channel): void {
    const id = this.#ids.get(channel);
    if (id === undefined || this.#ended.has(channel)) return;
    this.#ended.add(channel);
    this.#session.finish(id);
  }

  close(): void {
    for (const channel of this.#ids.keys()) this.finish(channel);
    this.#session.close();
  }

  pause(): void {
    this.#session.pause();
  }

  resume(): void {
    this.#session.resume();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #opened(id: number, headers: SpdyHeaders): boolean {
    const channel = this.#expected.find((each) => each === headers.get('streamtype'));
    if (!channel || this.#ids.has(channel)) return false;
    this.#known(channel, id);
    // Once the peer was answered, which is behind this call.
    queueMicrotask(() => this.#isThere(channel));
    return true;
  }

  #known(channel: Channel, id: number): void {
    this.#ids.set(channel, id);
    this.#channels.set(id, channel);
  }

  #isThere(channel: Channel | undefined): void {
    if (channel && this.#awaited.delete(channel) && this.#awaited.size === 0) this.#events.ready();
  }

  #finishedBy(channel: Channel | undefined): void {
    if (!channel || !this.#incoming.includes(channel) || this.#finished.has(channel)) return;
    this.#finished.add(channel);
    this.#events.finished(channel);
  }
}
