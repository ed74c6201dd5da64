import type { AppError } from '@postern/core';
import { encodeData, encodePing, SpdyReader, unreadHeaders } from '../spdy/frames.ts';
import type { SpdyHeaders } from '../spdy/header-block.ts';
import { SpdyViolation } from '../spdy/violation.ts';
import { FrameBudget } from './frame-budget.ts';
import type { StreamWatch } from './stream-watch.ts';

/** What streams there may be on a connection. `S` is what is known of one. */
export interface SpdyRules<S> {
  readonly maxStreams: number;
  /** What a stream with these headers is. Throws when it may not be. */
  admit(headers: SpdyHeaders, open: readonly S[]): S;
  fromClient(stream: S, chunk: Buffer): void;
  fromServer(stream: S, chunk: Buffer): void;
  /** What is said on a stream before it ends, where it is one for that. */
  parting(stream: S, error: AppError): Buffer | undefined;
}

interface Known<S> {
  readonly stream: S;
  /** Whether the server took it: what comes before that is dropped by the client. */
  isReplied: boolean;
  isClientDone: boolean;
  isServerDone: boolean;
}

// Far from the numbers that API servers count up from 2, so that the client's answers to theirs are not taken for ours.
const firstPing = 0x40000000;

/** Watches SPDY as Kubernetes speaks it: streams are opened by the client alone, each with a header that says what for. */
export class SpdyWatch<S> implements StreamWatch {
  readonly #rules: SpdyRules<S>;
  readonly #streams = new Map<number, Known<S>>();
  readonly #client: SpdyReader;
  readonly #server: SpdyReader;
  #lastId = 0;
  #nextPing = firstPing;
  answers = 0;

  constructor(rules: SpdyRules<S>) {
    this.#rules = rules;
    const budget = new FrameBudget(() => SpdyViolation('there are too many control frames'));
    this.#client = new SpdyReader({
      opened: (id, headers, isFinished) => {
        budget.take();
        this.#opened(id, headers, isFinished);
      },
      replied: () => {
        throw SpdyViolation('a client replied to a stream that nobody opened');
      },
      data: (id, chunk, isFinished) => {
        if (chunk.length === 0) budget.take();
        this.#data(id, 'client', chunk, isFinished);
      },
      reset: (id) => {
        budget.take();
        this.#streams.delete(id);
      },
      ping: (id) => {
        budget.take();
        if (id >= firstPing && id % 2 === 0) this.answers += 1;
      },
      goneAway: () => budget.take(),
    });
    this.#server = new SpdyReader(
      {
        opened: () => {
          throw SpdyViolation('the server opened a stream');
        },
        replied: (id, isFinished) => {
          const known = this.#streams.get(id);
          if (known) known.isReplied = true;
          if (isFinished) this.#done(id, 'server');
        },
        data: (id, chunk, isFinished) => this.#data(id, 'server', chunk, isFinished),
        reset: (id) => this.#streams.delete(id),
        ping: () => undefined,
        goneAway: () => undefined,
      },
      unreadHeaders,
    );
  }

  get mayPing(): boolean {
    return this.#server.isBetweenFrames;
  }

  get mayPart(): boolean {
    return this.#server.isBetweenFrames;
  }

  fromClient(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at = this.#client.read(chunk, at);
  }

  fromServer(chunk: Buffer, at: number): number {
    return this.#server.read(chunk, at);
  }

  ping(): Buffer {
    const id = this.#nextPing;
    this.#nextPing += 2;
    return encodePing(id);
  }

  parting(error: AppError): Buffer {
    const frames: Buffer[] = [];
    for (const [id, { stream, isReplied, isServerDone }] of this.#streams) {
      if (!isReplied || isServerDone) continue;
      const words = this.#rules.parting(stream, error);
      if (words) frames.unshift(encodeData(id, words, true));
      else frames.push(encodeData(id, Buffer.alloc(0), true));
    }
    return Buffer.concat(frames);
  }

  #opened(id: number, headers: SpdyHeaders, isFinished: boolean): void {
    if (id % 2 === 0 || id <= this.#lastId)
      throw SpdyViolation('a stream has a number that was used, or is not the client’s');
    if (this.#streams.size >= this.#rules.maxStreams) throw SpdyViolation('there are too many streams');
    this.#lastId = id;
    const stream = this.#rules.admit(
      headers,
      [...this.#streams.values()].map((known) => known.stream),
    );
    this.#streams.set(id, { stream, isReplied: false, isClientDone: isFinished, isServerDone: false });
  }

  #data(id: number, side: 'client' | 'server', chunk: Buffer, isFinished: boolean): void {
    const known = this.#streams.get(id);
    if (known && chunk.length > 0) {
      if (side === 'client') this.#rules.fromClient(known.stream, chunk);
      else this.#rules.fromServer(known.stream, chunk);
    }
    if (isFinished) this.#done(id, side);
  }

  #done(id: number, side: 'client' | 'server'): void {
    const known = this.#streams.get(id);
    if (!known) return;
    if (side === 'client') known.isClientDone = true;
    else known.isServerDone = true;
    if (known.isClientDone && known.isServerDone) this.#streams.delete(id);
  }
}
