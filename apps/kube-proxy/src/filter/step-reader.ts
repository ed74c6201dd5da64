import { maxHeldBytes, UnreadableAnswer } from './body-filter.ts';

/** Takes bytes as far as it can, and returns how far that was. What is left comes again with more behind it. */
export type TakeBytes = (bytes: Buffer) => number;

/**
 * Gives a stream to a parser that takes whole pieces: holds what a chunk lacks the end of. It comes again when there is twice
 * as much of it, so that a long piece in small chunks is not read from its beginning with each.
 */
export class StepReader {
  readonly #take: TakeBytes;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #wantedBytes = 0;

  constructor(take: TakeBytes) {
    this.#take = take;
  }

  /** Throws when a piece becomes too long to be held. */
  push(chunk: Buffer): void {
    if (this.#heldBytes === 0) this.#read(chunk);
    else {
      this.#hold(chunk);
      if (this.#heldBytes >= this.#wantedBytes) this.flush();
    }
  }

  /** Reads what is held once more, and returns how many bytes are left that nobody took. */
  flush(): number {
    if (this.#heldBytes === 0) return 0;
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#read(bytes);
    return this.#heldBytes;
  }

  #read(bytes: Buffer): void {
    const end = this.#take(bytes);
    if (end === bytes.length) return;
    this.#hold(bytes.subarray(end));
    this.#wantedBytes = this.#heldBytes * 2;
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > maxHeldBytes) throw UnreadableAnswer('an object in it is too large');
  }
}
