import type { Duplex } from 'node:stream';
import { toAppError } from '@postern/core';
import { WebSocketConnection } from '../websocket/connection.ts';
import { closeCodes } from '../websocket/frames.ts';
import { ChannelMessages, encodeChannelEnd, encodeMessage } from './channel-messages.ts';
import {
  type Channel,
  clientChannels,
  type CommandEnd,
  type CommandEvents,
  serverChannels,
} from './command-end.ts';
import type { CommandProtocol } from './websocket-protocols.ts';

const maxStatusBytes = 65_536;

/** A command over a WebSocket. In the role of a server it faces a client, in that of a client an API server. */
export class WebSocketCommandEnd implements CommandEnd {
  readonly #connection: WebSocketConnection;
  readonly #protocol: CommandProtocol;
  readonly #events: CommandEvents;
  readonly #incoming: readonly Channel[];
  readonly #finished = new Set<Channel>();
  /** A Status goes out as one message, since clients parse each. */
  readonly #status: Buffer[] = [];
  #statusBytes = 0;

  constructor(stream: Duplex, protocol: CommandProtocol, role: 'client' | 'server', events: CommandEvents) {
    this.#protocol = protocol;
    this.#events = events;
    this.#incoming = role === 'server' ? clientChannels : serverChannels;
    const messages = new ChannelMessages(protocol, {
      data: (channel, chunk) => {
        if (this.#incoming.includes(channel)) events.data(channel, chunk);
      },
      finished: (channel) => this.#finish(channel),
    });
    this.#connection = new WebSocketConnection(stream, role, {
      data: (chunk, part) => {
        try {
          messages.piece(chunk, part);
        } catch (error) {
          this.#connection.close(closeCodes.protocolError, toAppError(error).message);
        }
      },
      drained: () => events.drained(),
      closed: () => {
        for (const channel of this.#incoming) this.#finish(channel);
        events.closed();
      },
    });
    this.#connection.start();
    events.ready();
  }

  send(channel: Channel, chunk: Buffer): boolean {
    if (channel !== 'error') return this.#connection.send(...encodeMessage(this.#protocol, channel, chunk));
    this.#statusBytes += chunk.length;
    if (this.#statusBytes <= maxStatusBytes) this.#status.push(chunk);
    return true;
  }

  finish(channel: Channel): void {
    if (channel === 'error' && this.#status.length > 0) {
      const status = Buffer.concat(this.#status.splice(0));
      this.#connection.send(...encodeMessage(this.#protocol, 'error', status));
    } else if (channel === 'stdin' && this.#protocol.closesChannels) {
      this.#connection.send(...encodeChannelEnd(channel));
    }
  }

  close(): void {
    this.#connection.close();
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  #finish(channel: Channel): void {
    if (!this.#incoming.includes(channel) || this.#finished.has(channel)) return;
    this.#finished.add(channel);
    this.#events.finished(channel);
  }
}
