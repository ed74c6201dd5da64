import { firstStreamWindow } from './frame.ts';

/** Above this a writer is asked to wait, below half of it it is told to go on. In bytes. */
const highWater = 131_072;

/** The sending half of a stream: what waits for its turn, and how much the peer takes. */
export class Outgoing {
  /** Bytes the peer lets us send. */
  credit = firstStreamWindow;
  /** Whether the end goes out behind what waits. */
  isEnding = false;
  /** Whether the end has gone out. */
  isEnded = false;
  #chunks: Buffer[] | undefined;
  #next = 0;
  #offset = 0;
  #waiting = 0;
  #isFull = false;

  /** Bytes that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether there is a frame to send now. */
  get isReady(): boolean {
    return !this.isEnded && (this.#waiting > 0 ? this.credit > 0 : this.isEnding);
  }

  /** False when the writer is to wait. */
  add(chunk: Buffer): boolean {
    if (chunk.length > 0) {
      this.#chunks ??= [];
      this.#chunks.push(chunk);
      this.#waiting += chunk.length;
    }
    if (this.#waiting >= highWater) this.#isFull = true;
    return !this.#isFull;
  }

  /** Moves exactly so many waiting bytes to the target. */
  take(target: Buffer, at: number, length: number): void {
    this.credit -= length;
    this.#waiting -= length;
    const end = at + length;
    let to = at;
    while (to < end) {
      const chunk = this.#chunks![this.#next]!;
      const taken = chunk.copy(target, to, this.#offset, this.#offset + end - to);
      to += taken;
      this.#offset += taken;
      if (this.#offset === chunk.length) this.#drop();
    }
  }

  /** Whether a writer that waits may go on; true once. */
  hasRoomAgain(): boolean {
    if (!this.#isFull || this.#waiting > highWater / 2) return false;
    this.#isFull = false;
    return true;
  }

  /** Nothing more goes out. */
  discard(): void {
    this.#chunks = undefined;
    this.#next = 0;
    this.#offset = 0;
    this.#waiting = 0;
    this.isEnding = false;
  }

  #drop(): void {
    this.#offset = 0;
    this.#next += 1;
    if (this.#next < this.#chunks!.length) {
      if (this.#next < 64) return;
      this.#chunks = this.#chunks!.slice(this.#next);
    } else this.#chunks = undefined;
    this.#next = 0;
  }
}
