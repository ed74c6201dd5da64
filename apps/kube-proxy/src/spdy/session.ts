import type { Duplex } from 'node:stream';
import {
  encodeData,
  encodeGoAway,
  encodePing,
  encodeReset,
  encodeSynReply,
  encodeSynStream,
  resetCodes,
  SpdyReader,
} from './frames.ts';
import { HeaderBlockWriter, type SpdyHeaders } from './header-block.ts';

export interface SessionEvents {
  /** The peer opened a stream. False refuses it. */
  opened(id: number, headers: SpdyHeaders): boolean;
  /** The peer took a stream of ours: data before that is dropped by Kubernetes' servers. */
  replied(id: number): void;
  data(id: number, chunk: Buffer): void;
  /** The peer sends no more on a stream, or reset it. */
  finished(id: number): void;
  drained(): void;
  /** The peer is gone, or broke the protocol. Comes once, and last. */
  closed(): void;
}

const closeGraceMs = 1000;
const lingerMs = 30_000;
const pingMs = 15_000;
const maxQueuedControlBytes = 65_536;
const maxStreams = 2048;

/** One end of a SPDY/3.1 connection: streams that are opened by either side, as Kubernetes uses them. */
export class SpdySession {
  readonly #stream: Duplex;
  readonly #events: SessionEvents;
  readonly #reader: SpdyReader;
  readonly #headers = new HeaderBlockWriter();
  readonly #pings: NodeJS.Timeout;
  /** Streams on which the peer may still send. */
  readonly #open = new Set<number>();
  readonly #parity: number;
  #nextId: number;
  #lastPeerId = 0;
  #nextPing: number;
  #isClosing = false;
  #isOver = false;

  constructor(stream: Duplex, role: 'client' | 'server', events: SessionEvents) {
    this.#stream = stream;
    this.#events = events;
    this.#parity = role === 'client' ? 1 : 0;
    this.#nextId = role === 'client' ? 1 : 2;
    this.#nextPing = this.#nextId;
    this.#reader = new SpdyReader({
      opened: (id, headers, isFinished) => this.#opened(id, headers, isFinished),
      replied: (id, isFinished) => {
        if (this.#open.has(id)) events.replied(id);
        if (isFinished) this.#finished(id);
      },
      data: (id, chunk, isFinished) => this.#data(id, chunk, isFinished),
      reset: (id) => this.#finished(id),
      ping: (id) => {
        if (id % 2 !== this.#parity) this.#control(encodePing(id));
      },
      goneAway: () => undefined,
    });
    stream.on('error', () => undefined);
    stream.on('drain', () => events.drained());
    stream.once('end', () => {
      this.#over();
      if (this.#isClosing) stream.destroy();
    });
    stream.once('close', () => this.#over());
    this.#pings = setInterval(() => this.#ping(), pingMs);
    this.#pings.unref();
  }

  /** Begins to read. */
  start(): void {
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Opens a stream and gives its id. */
  open(headers: SpdyHeaders): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#open.add(id);
    this.#write(encodeSynStream(id, this.#headers.write(headers)));
    return id;
  }

  /** Sends data on a stream. False says to wait until drained. */
  send(id: number, chunk: Buffer): boolean {
    return this.#write(encodeData(id, chunk));
  }

  /** Says that nothing more comes on a stream. */
  finish(id: number): void {
    this.#write(encodeData(id, Buffer.alloc(0), true));
  }

  reset(id: number): void {
    this.#open.delete(id);
    this.#write(encodeReset(id, resetCodes.cancel));
  }

  /** Says that no more streams come, and ends when the peer does, or a moment later: what it did not read yet must not be lost. */
  close(): void {
    if (this.#isClosing || this.#stream.destroyed) return;
    this.#write(encodeGoAway(this.#lastPeerId));
    this.#isClosing = true;
    setTimeout(() => this.#stream.end(), closeGraceMs).unref();
    setTimeout(() => this.#stream.destroy(), lingerMs).unref();
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

  #write(frame: Buffer): boolean {
    return this.#isClosing || this.#stream.destroyed || this.#stream.write(frame);
  }

  #control(frame: Buffer): void {
    if (this.#stream.writableLength < maxQueuedControlBytes) this.#write(frame);
  }

  #ping(): void {
    this.#control(encodePing(this.#nextPing));
    this.#nextPing += 2;
  }

  #read(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length && !this.#isOver;) at = this.#reader.read(chunk, at);
    } catch {
      this.destroy();
      this.#over();
    }
  }

  /** A stream that cannot be taken is refused alone; what comes on it is dropped. */
  #opened(id: number, headers: SpdyHeaders, isFinished: boolean): void {
    const isOurs = id % 2 === this.#parity;
    if (isOurs || id <= this.#lastPeerId || this.#open.size >= maxStreams) {
      this.#control(encodeReset(id, isOurs ? resetCodes.protocolError : resetCodes.refusedStream));
      return;
    }
    this.#lastPeerId = id;
    this.#open.add(id);
    if (!this.#events.opened(id, headers)) {
      this.reset(id);
      return;
    }
    this.#write(encodeSynReply(id, this.#headers.write(new Map())));
    if (isFinished) this.#finished(id);
  }

  #data(id: number, chunk: Buffer, isFinished: boolean): void {
    if (!this.#open.has(id)) return;
    if (chunk.length > 0) this.#events.data(id, chunk);
    if (isFinished) this.#finished(id);
  }

  #finished(id: number): void {
    if (this.#open.delete(id)) this.#events.finished(id);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#pings);
    this.#events.closed();
  }
}
