import { Readable } from 'node:stream';
import type { TunnelStream } from '@postern/tunnel';

/** The body of a request that came over a tunnel. What is not read holds the sender back. */
export class TunnelBody extends Readable {
  readonly #stream: TunnelStream;

  constructor(stream: TunnelStream) {
    super();
    this.#stream = stream;
  }

  override _read(): void {
    this.#stream.resume();
  }
}
