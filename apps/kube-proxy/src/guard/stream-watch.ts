import type { AppError } from '@postern/core';

/** Reads along with a stream in its protocol, both ways, so that words of ours can be put in between. */
export interface StreamWatch {
  /** Reads what the client sends. Throws what the stream is to be ended with. */
  fromClient(chunk: Buffer): void;
  /** Reads the next piece of what the server sends and gives where the one behind it begins. Throws as well. */
  fromServer(chunk: Buffer, at: number): number;
  /** Whether a ping may follow what the server has sent so far. */
  readonly mayPing: boolean;
  /** Whether parting words may. */
  readonly mayPart: boolean;
  /** How many pings the client has answered. */
  readonly answers: number;
  ping(): Buffer;
  /** Tells the client why the stream ends, and that it does. */
  parting(error: AppError): Buffer;
}
