const headEnd = Buffer.from('\r\n\r\n');
/** A head that comes in more pieces is copied too often; nobody sends one like that. */
const maxParts = 1000;

/** Puts together the head of a message, whatever pieces it comes in. */
export class HeadReader {
  readonly #maxBytes: number;
  readonly #tooLarge: (why: string) => Error;
  #rest: Buffer | undefined;
  #parts = 0;
  /** The head, without the empty line that ends it, once that has come. */
  text: string | undefined;

  /** `tooLarge` makes the error for a head of more than `maxBytes`, or of too many pieces. */
  constructor(maxBytes: number, tooLarge: (why: string) => Error) {
    this.#maxBytes = maxBytes;
    this.#tooLarge = tooLarge;
  }

  /** What comes next is another head. */
  begin(): void {
    this.text = undefined;
    this.#rest = undefined;
    this.#parts = 0;
  }

  /** Whether part of a head has come. */
  get isInside(): boolean {
    return this.#rest !== undefined;
  }

  /** Reads from a place on. Returns where the head ends, or the end of what there is. */
  read(bytes: Buffer, at: number): number {
    const known = this.#rest;
    const from = known ? Math.max(0, known.length - 3) : at;
    const all = known ? Buffer.concat([known, bytes.subarray(at)]) : bytes;
    const start = known ? 0 : at;
    const end = all.indexOf(headEnd, from);
    if ((end < 0 ? all.length : end) - start > this.#maxBytes) throw this.#tooLarge('its head is too long');
    if (end < 0) {
      this.#parts += 1;
      if (this.#parts > maxParts) throw this.#tooLarge('its head comes in too many pieces');
      this.#rest = Buffer.from(all.subarray(start));
      return bytes.length;
    }
    this.#rest = undefined;
    this.text = all.toString('latin1', start, end);
    return end + headEnd.length - (known ? known.length - at : 0);
  }
}
