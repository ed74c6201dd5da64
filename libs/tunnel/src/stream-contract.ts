import type { AppError } from '@postern/core';

/** What a stream is opened with: a request's head. Texts are Latin-1 without control characters, 64 kB in all. */
export interface OpenHead {
  readonly method: string;
  readonly path: string;
  /** Name and value in turn. */
  readonly headers: readonly string[];
  /** The protocol asked for; after an answer of 101 the stream carries its bytes. */
  readonly upgrade?: string;
  /** The agent that is meant, when an edge asks another edge to pass the stream on. */
  readonly to?: string;
}

/** How the accepting end answers. Once for each stream; there are no informational answers before it. */
export interface AnswerHead {
  readonly status: number;
  /** Name and value in turn. */
  readonly headers: readonly string[];
}

/** What happens to a stream. Called in order, one at a time; nothing is called after `reset` or after one's own reset. */
export interface StreamEvents {
  /** At the opening end, once, before any data. */
  answer?(head: AnswerHead): void;
  /**
   * A part of what the peer sent, in order. It may be a slice of something larger: copy it to keep it for long. What was
   * delivered counts as consumed; who cannot take more calls `pause`.
   */
  data(chunk: Buffer): void;
  /** The peer sends nothing more. The other direction goes on. */
  end(): void;
  /** The stream is over before both ends ended it: the peer reset it, or the tunnel is gone. */
  reset(error: AppError): void;
  /** After a `write` that returned false: there is room again. */
  drain(): void;
}

/** One end of a stream. */
export interface TunnelStream {
  /**
   * Sends bytes, which must not be changed afterwards. False asks the writer to wait for `drain`. What is written to a stream
   * that is over goes nowhere.
   */
  write(chunk: Buffer): boolean;
  /** Sends nothing more than this. Saying so again does nothing. */
  end(chunk?: Buffer): void;
  /** Gives the stream up in both directions and tells the peer why. Does nothing to a stream that is over. */
  reset(error: AppError): void;
  /** Answers, at the accepting end, once, before anything is written. */
  answer(head: AnswerHead): void;
  /** Nothing is delivered until `resume`; the peer is held back by the window of this stream alone. */
  pause(): void;
  resume(): void;
  /** Lets somebody else hear what happens from now on, as when a request turned into an upgraded connection. */
  handOver(events: StreamEvents): void;
  /** Whether it is over: ended by both, or reset by one. */
  readonly isEnded: boolean;
}
