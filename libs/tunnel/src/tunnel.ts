import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError, toAppError } from '@postern/core';
import {
  ProtocolBroken,
  ReaderTooSlow,
  TunnelClosed,
  TunnelDraining,
  TunnelLost,
  TunnelSilent,
  TunnelStalled,
} from './failures.ts';
import { frameType } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { packOpen } from './head.ts';
import { defaultLimits, type TunnelLimits } from './limits.ts';
import { Liveness } from './liveness.ts';
import { ReceiveMemory } from './receive-memory.ts';
import { Receiver, type ReceiverHost } from './receiver.ts';
import { Sender } from './sender.ts';
import type { OpenHead, StreamEvents, TunnelStream } from './stream-contract.ts';
import { Stream, type StreamHost } from './stream.ts';
import { StreamTable, TooManyStreams, type TunnelSide } from './stream-table.ts';
import { systemTimers, type TunnelTimers } from './timers.ts';
import { tellError } from './told-error.ts';

/** The protocol's name in ALPN (RFC 7301). */
export const tunnelProtocol = 'postern-tunnel/1';

const defaultPingIntervalMs = 10_000;
const defaultGraceMs = 30_000;
const closingMs = 1000;
const nothing = new Uint8Array(0);

// What a stream does until its owner is known.
const unheard: StreamEvents = {
  data: () => undefined,
  end: () => undefined,
  reset: () => undefined,
  drain: () => undefined,
};

/** How one end of a tunnel behaves. */
export interface TunnelOptions {
  readonly side: TunnelSide;
  /** Takes a stream that the peer opened and returns who hears of it. Without it a peer that opens one breaks the protocol. */
  readonly accept?: (stream: TunnelStream, head: OpenHead) => StreamEvents;
  /** The peer asked to be given nothing new. */
  readonly draining?: () => void;
  /** Errors that callbacks threw: bugs. The stream concerned was reset. */
  readonly report: (error: unknown) => void;
  readonly limits?: Partial<TunnelLimits>;
  /** Milliseconds between pings; a peer that answers none is given up after three of them. */
  readonly pingIntervalMs?: number;
  readonly timers?: TunnelTimers;
}

/**
 * One end of a tunnel: many streams over one connection. It begins at once, on a socket that is connected, and owns the socket
 * from then on. Buffers that are written to the socket are used again when their callbacks were called.
 */
export class Tunnel implements AsyncDisposable {
  /** Settles when the socket is closed: with what ended the tunnel, or with undefined when it was drained. */
  readonly closed: Promise<AppError | undefined>;
  readonly #socket: Duplex;
  readonly #options: TunnelOptions;
  readonly #limits: TunnelLimits;
  readonly #timers: TunnelTimers;
  readonly #streams: StreamTable;
  readonly #memory: ReceiveMemory;
  readonly #sender: Sender;
  readonly #reader: FrameReader;
  readonly #liveness: Liveness;
  readonly #streamHost: StreamHost;
  #stopTimer: () => void = () => undefined;
  #isClosed = false;
  #reason: AppError | undefined;
  #hasAskedToDrain = false;
  #isDrainConfirmed = false;
  #isAskedToDrain = false;

  constructor(socket: Duplex, options: TunnelOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#timers = options.timers ?? systemTimers;
    this.#streams = new StreamTable(options.side, this.#limits);
    this.#sender = new Sender(socket, this.#limits.queuedBytes, () => this.#lost(TunnelStalled()));
    this.#liveness = new Liveness({
      intervalMs: options.pingIntervalMs ?? defaultPingIntervalMs,
      timers: this.#timers,
      ping: (number) => this.#sender.sendNumber(frameType.ping, 0, number),
      silent: (ms) => this.#lost(TunnelSilent(ms)),
    });
    const shortestMs = () => this.#liveness.shortestMs;
    this.#memory = new ReceiveMemory({ limits: this.#limits, now: () => this.#timers.now(), shortestMs });
    this.#reader = new FrameReader(new Receiver(this.#receiverHost(), this.#limits, this.#memory));
    this.#streamHost = {
      sender: this.#sender,
      memory: this.#memory,
      mostStreamWindow: this.#limits.streamWindow,
      report: options.report,
      over: (stream) => this.#over(stream),
    };
    this.closed = this.#listen();
  }

  /** Streams that are not over, of both ends. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Whether no new streams can be opened here, because either end is about to leave. */
  get isDraining(): boolean {
    return this.#hasAskedToDrain || this.#isAskedToDrain;
  }

  /** The last round trip of a ping in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs;
  }

  /** Opens a stream. Fails when the tunnel is closed, draining, full, or takes nothing in, or when the head cannot be carried. */
  open(head: OpenHead, events: StreamEvents): TunnelStream {
    if (this.#isClosed) throw this.#reason ?? TunnelClosed();
    if (this.#streams.isUsedUp) this.drain();
    if (this.isDraining) throw TunnelDraining();
    if (this.#sender.isCongested) throw TunnelStalled();
    const packed = packOpen(head);
    const id = this.#streams.take();
    const stream = new Stream(this.#streamHost, id, { isOurs: true, events });
    this.#streams.add(stream);
    this.#sender.sendHead(frameType.open, id, packed);
    return stream;
  }

  /**
   * Leaves without breaking anything: neither end opens streams any more, what the peer opened before it heard of it is still
   * accepted, and the tunnel closes when the last stream is over, or after `graceMs` with those that are left.
   */
  drain(graceMs: number = defaultGraceMs): void {
    if (this.#isClosed || this.#hasAskedToDrain) return;
    this.#hasAskedToDrain = true;
    this.#sender.sendPayload(frameType.drain, 0, nothing);
    this.#stopTimer = this.#timers.after(graceMs, () => this.#finish(TunnelClosed()));
  }

  /** Ends all streams with the reason, tells the peer, and closes. */
  close(reason: AppError): void {
    this.#finish(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish(TunnelClosed());
    await this.closed;
  }

  #listen(): Promise<AppError | undefined> {
    const socket = this.#socket;
    // We gather what goes out ourselves; the kernel's waiting for more (RFC 896) would only delay small frames.
    if (socket instanceof Socket) socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => this.#lost(undefined));
    socket.on('error', (error) => this.#lost(error));
    if (socket.destroyed) queueMicrotask(() => this.#lost(undefined));
    return new Promise((resolve) => {
      const settle = () => {
        this.#lost(undefined);
        this.#stopTimer();
        resolve(this.#reason);
      };
      if (socket.closed) queueMicrotask(settle);
      else socket.once('close', settle);
    });
  }

  #read(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!ProtocolBroken.is(error)) this.#options.report(error);
      this.#finish(error instanceof AppError ? error : ProtocolBroken('a frame that could not be handled'));
    }
  }

  #receiverHost(): ReceiverHost {
    return {
      streams: this.#streams,
      sender: this.#sender,
      opened: (id, head, hasRoom) => this.#opened(id, head, hasRoom),
      received: () => this.#boundMemory(),
      pongCame: (number) => this.#liveness.answered(number),
      drainAsked: () => this.#drainAsked(),
      drainConfirmed: () => this.#drainConfirmed(),
      peerClosed: (error) => this.#finish(error),
    };
  }

  #opened(id: number, head: OpenHead, hasRoom: boolean): void {
    const { accept } = this.#options;
    if (accept === undefined) throw ProtocolBroken('a stream opened towards an end that takes none');
    if (this.#isDrainConfirmed) throw ProtocolBroken('a stream opened after it had confirmed to open none');
    const stream = new Stream(this.#streamHost, id, { isOurs: false, events: unheard });
    this.#streams.add(stream);
    if (!hasRoom) return stream.reset(TooManyStreams(this.#limits.streams));
    try {
      stream.handOver(accept(stream, head));
    } catch (error) {
      if (!(error instanceof AppError)) this.#options.report(error);
      stream.reset(toAppError(error));
    }
  }

  /** A reader that stopped holds memory; when there is too much of it the one that holds most pays for it. */
  #boundMemory(): void {
    while (this.#memory.isOver) {
      const largest = this.#streams.largest;
      if (largest === undefined) return;
      largest.cut(ReaderTooSlow());
    }
  }

  #drainAsked(): void {
    if (this.#isAskedToDrain) throw ProtocolBroken('asked twice to drain');
    this.#isAskedToDrain = true;
    this.#sender.sendPayload(frameType.drained, 0, nothing);
    this.#options.draining?.();
  }

  #drainConfirmed(): void {
    if (!this.#hasAskedToDrain || this.#isDrainConfirmed)
      throw ProtocolBroken('a drain confirmed that was not asked for');
    this.#isDrainConfirmed = true;
    this.#finishWhenDrained();
  }

  #over(stream: Stream): void {
    this.#streams.remove(stream);
    this.#finishWhenDrained();
  }

  #finishWhenDrained(): void {
    if (this.#isDrainConfirmed && this.#streams.size === 0) this.#finish(undefined);
  }

  /** Ends everything, tells the peer why, and closes the socket; at the latest when the peer had a second to listen. */
  #finish(reason: AppError | undefined): void {
    if (!this.#end(reason)) return;
    this.#sender.close(reason === undefined ? nothing : tellError(reason));
    this.#stopTimer = this.#timers.after(closingMs, () => this.#socket.destroy());
  }

  /** Nothing can be told to the peer any more. */
  #lost(cause: Error | undefined): void {
    this.#end(cause instanceof AppError ? cause : TunnelLost.from(cause));
    this.#socket.destroy();
  }

  /** Ends everything above the socket, once. */
  #end(reason: AppError | undefined): boolean {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    this.#reason = reason;
    this.#reader.stop();
    this.#liveness.stop();
    this.#stopTimer();
    for (const stream of this.#streams.all) stream.lose(reason ?? TunnelClosed());
    return true;
  }
}
