import { Duplex } from 'node:stream';
import { AppError, failure } from '@postern/core';
import type { TunnelStream } from './stream-contract.ts';

/** Told to the peer when the socket that we made of a stream was destroyed. */
const ConnectionBroken = failure(
  'unavailable',
  'tunnel.connection_broken',
  () => 'the connection that the stream carried was broken off',
);

/**
 * A stream as a socket, for what was upgraded. From now on it hears everything that happens to the stream, so it is made when
 * the answer came or was given. Both directions end apart from each other. Chunks that are written must not be changed
 * afterwards, not even when their callbacks were called: a Tunnel cannot run on top of it.
 */
export function duplexOf(stream: TunnelStream): Duplex {
  return new StreamSocket(stream);
}

class StreamSocket extends Duplex {
  readonly #stream: TunnelStream;
  #whenDrained: (() => void) | undefined;

  constructor(stream: TunnelStream) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    stream.handOver({
      data: (chunk) => {
        if (!this.push(chunk)) stream.pause();
      },
      end: () => this.push(null),
      reset: (error) => this.destroy(error),
      drain: () => {
        const goOn = this.#whenDrained;
        this.#whenDrained = undefined;
        goOn?.();
      },
    });
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#stream.write(chunk)) done();
    else this.#whenDrained = done;
  }

  override _final(done: () => void): void {
    this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // When both directions ended, what was written last may still be on its way: nothing is reset then.
    if (error !== null || !this.writableFinished || !this.readableEnded)
      this.#stream.reset(error instanceof AppError ? error : ConnectionBroken());
    done(error);
  }
}
