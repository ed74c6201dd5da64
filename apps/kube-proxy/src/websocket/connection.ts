import type { Duplex } from 'node:stream';
import { toAppError } from '@postern/core';
import {
  closeCodes,
  encodeClose,
  encodeFrame,
  type MessagePart,
  opcodes,
  WebSocketReader,
} from './frames.ts';

export interface ConnectionEvents {
  data(chunk: Buffer, part: MessagePart): void;
  /** There is room again after `send` said that there is none. */
  drained(): void;
  /** The peer closed, broke the protocol, or is gone. Comes once, and last. */
  closed(): void;
}

const lingerMs = 30_000;
const pingMs = 15_000;
const maxQueuedControlBytes = 65_536;

/** One end of a WebSocket that was agreed on: messages go out, pieces of messages come in, pings are answered. */
export class WebSocketConnection {
  readonly #stream: Duplex;
  readonly #isClient: boolean;
  readonly #events: ConnectionEvents;
  readonly #reader: WebSocketReader;
  readonly #pings: NodeJS.Timeout;
  #isClosing = false;
  #isOver = false;

  constructor(stream: Duplex, role: 'client' | 'server', events: ConnectionEvents) {
    this.#stream = stream;
    this.#isClient = role === 'client';
    this.#events = events;
    this.#reader = new WebSocketReader(role === 'server', {
      data: (chunk, part) => events.data(chunk, part),
      ping: (payload) => this.#control(encodeFrame(opcodes.pong, payload, this.#isClient)),
      pong: () => undefined,
      close: (code) => this.#closedByPeer(code),
    });
    stream.on('error', () => undefined);
    stream.on('drain', () => events.drained());
    stream.once('end', () => {
      this.#over();
      if (this.#isClosing) stream.destroy();
    });
    stream.once('close', () => this.#over());
    this.#pings = setInterval(
      () => this.#control(encodeFrame(opcodes.ping, Buffer.alloc(0), this.#isClient)),
      pingMs,
    );
    this.#pings.unref();
  }

  /** Begins to read. */
  start(): void {
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Sends one message. False says to wait until drained. */
  send(opcode: number, payload: Buffer): boolean {
    if (this.#isClosing || this.#stream.destroyed) return true;
    return this.#stream.write(encodeFrame(opcode, payload, this.#isClient));
  }

  /** Says that nothing more comes, and ends when the peer has said the same or does not answer. */
  close(code: number = closeCodes.normal, reason = ''): void {
    if (this.#isClosing || this.#stream.destroyed) return;
    this.#isClosing = true;
    this.#stream.write(encodeClose(code, reason, this.#isClient));
    this.#end();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (let at = 0; at < chunk.length && !this.#isOver;) at = this.#reader.read(chunk, at);
    } catch (error) {
      this.close(closeCodes.protocolError, toAppError(error).message);
      this.#over();
    }
  }

  #control(frame: Buffer): void {
    // A peer that pings and does not read would fill our memory with pongs.
    if (!this.#isClosing && this.#stream.writableLength < maxQueuedControlBytes) this.#stream.write(frame);
  }

  #closedByPeer(code: number): void {
    this.close(code < 1000 || code === 1005 || code === 1006 ? closeCodes.normal : code);
    this.#over();
  }

  #end(): void {
    this.#stream.end();
    setTimeout(() => this.#stream.destroy(), lingerMs).unref();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#pings);
    this.#events.closed();
  }
}
