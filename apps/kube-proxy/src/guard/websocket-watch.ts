import type { AppError } from '@postern/core';
import {
  encodeFrame,
  type MessagePart,
  opcodes,
  WebSocketReader,
  WebSocketViolation,
} from '../websocket/frames.ts';
import { FrameBudget } from './frame-budget.ts';
import type { StreamWatch } from './stream-watch.ts';

/** What is said in the messages of a WebSocket. */
export interface MessageWatch {
  /** A piece of a message; may throw what the stream is to be ended with. */
  fromClient(chunk: Buffer, part: MessagePart): void;
  fromServer(chunk: Buffer, part: MessagePart): void;
  /** Whether a message of ours may follow those of the server. */
  readonly mayPart: boolean;
  /** Frames that tell the client why the stream ends. */
  parting(error: AppError): Buffer;
}

/** Watches a WebSocket: that both sides keep to the protocol, and what their messages say. */
export class WebSocketWatch implements StreamWatch {
  readonly #messages: MessageWatch;
  readonly #client: WebSocketReader;
  readonly #server: WebSocketReader;
  answers = 0;

  constructor(messages: MessageWatch) {
    this.#messages = messages;
    const budget = new FrameBudget(() => WebSocketViolation('there are too many control frames'));
    this.#client = new WebSocketReader(true, {
      data: (chunk, part) => messages.fromClient(chunk, part),
      ping: () => budget.take(),
      pong: () => {
        budget.take();
        this.answers += 1;
      },
      close: () => undefined,
    });
    this.#server = new WebSocketReader(false, {
      data: (chunk, part) => messages.fromServer(chunk, part),
      ping: () => undefined,
      pong: () => undefined,
      close: () => undefined,
    });
  }

  get mayPing(): boolean {
    return this.#server.isBetweenFrames;
  }

  get mayPart(): boolean {
    return this.#server.isBetweenMessages && this.#messages.mayPart;
  }

  fromClient(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at = this.#client.read(chunk, at);
  }

  fromServer(chunk: Buffer, at: number): number {
    return this.#server.read(chunk, at);
  }

  ping(): Buffer {
    return encodeFrame(opcodes.ping, Buffer.alloc(0));
  }

  parting(error: AppError): Buffer {
    return this.#messages.parting(error);
  }
}
