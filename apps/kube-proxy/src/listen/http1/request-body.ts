import { Readable } from 'node:stream';

/** The connection that a body comes on. */
export interface BodySource {
  /** Somebody waits for more of the body, or nobody will any more. */
  wanted(body: RequestBody): void;
}

/** The body of a request. What is not read holds the client back. */
export class RequestBody extends Readable {
  readonly #source: BodySource;

  constructor(source: BodySource) {
    super();
    this.#source = source;
    // Whoever reads it hears of errors by listeners of his own; without one they must not end the process.
    this.on('error', () => undefined);
  }

  override _read(): void {
    this.#source.wanted(this);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.wanted(this);
    done(error);
  }
}
