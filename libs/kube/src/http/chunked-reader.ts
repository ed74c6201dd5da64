const maxLineBytes = 256;
const maxTrailers = 64;
const lf = 0x0a;
const cr = 0x0d;

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'done';

/** Whom a reader of chunks tells. */
export interface ChunkEvents {
  /** Part of what is in chunks: a view of what was read. */
  data(chunk: Buffer): void;
  /** Makes the error that is thrown when what comes is not in chunks. */
  malformed(why: string): Error;
}

/**
 * Reads a body in the chunked coding (RFC 9112, 7.1), and nothing but what is unambiguous: lines end with CR LF, sizes are short
 * and hexadecimal, a chunk is as long as it says. Extensions mean nothing, and trailers go nowhere.
 */
export class ChunkedReader {
  readonly #events: ChunkEvents;
  #state: State = 'done';
  /** Of a line that has not all come. */
  #rest: Buffer | undefined;
  #left = 0;

  constructor(events: ChunkEvents) {
    this.#events = events;
  }

  /** What comes next is a body. */
  begin(): void {
    this.#state = 'size';
    this.#rest = undefined;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Whether what comes next is content. */
  get isInData(): boolean {
    return this.#state === 'data';
  }

  /** Reads a piece from a place on. Returns where the next one begins. */
  read(bytes: Buffer, at: number): number {
    return this.#state === 'data' ? this.#readData(bytes, at) : this.#readLine(bytes, at);
  }

  #readData(bytes: Buffer, at: number): number {
    const next = Math.min(bytes.length, at + this.#left);
    this.#left -= next - at;
    if (this.#left === 0) this.#state = 'data-end';
    this.#events.data(at === 0 && next === bytes.length ? bytes : bytes.subarray(at, next));
    return next;
  }

  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lf, at);
    const part = bytes.subarray(at, end < 0 ? bytes.length : end + 1);
    const line = this.#rest ? Buffer.concat([this.#rest, part]) : part;
    if (line.length > maxLineBytes) throw this.#events.malformed('a line between its chunks is too long');
    if (end < 0) {
      this.#rest = Buffer.from(line);
      return bytes.length;
    }
    this.#rest = undefined;
    if (line[line.length - 2] !== cr) throw this.#events.malformed('a line in it ends without CR');
    this.#line(line.toString('latin1', 0, line.length - 2));
    return end + 1;
  }

  /** A chunk's size, the end of its data, or a trailer. */
  #line(text: string): void {
    if (this.#state === 'data-end') {
      if (text !== '') throw this.#events.malformed('a chunk is longer than it says');
      this.#state = 'size';
    } else if (this.#state === 'size') {
      const size = /^([\da-fA-F]{1,8})(?:[\t ]*;[\t\x20-\x7e]*)?$/.exec(text)?.[1];
      if (size === undefined) throw this.#events.malformed('the size of a chunk is not a number');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailers' : 'data';
    } else if (text === '') this.#state = 'done';
    else {
      this.#left += 1;
      if (this.#left > maxTrailers) throw this.#events.malformed('it has too many trailers');
    }
  }
}
