import { type Frame, frameRoom, writeFrame } from './frames.ts';

const firstBytes = 256 * 1024;
/** What waits in memory while the disk refuses; beyond that nothing is taken. */
const maxBytes = 16 * 1024 * 1024;

/** Frames that are not written yet, as they will be. */
export class FrameBuffer {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #used = 0;

  get used(): number {
    return this.#used;
  }

  /** Whether a frame fits without growing. */
  hasRoomFor({ text }: Frame): boolean {
    return this.#used + frameRoom(text) <= this.#bytes.length;
  }

  /** Takes a frame; false where that would be too much. */
  add(frame: Frame): boolean {
    if (!this.hasRoomFor(frame) && !this.#grow(this.#used + frameRoom(frame.text))) return false;
    this.#used = writeFrame(this.#bytes, this.#used, frame);
    return true;
  }

  /** What is in it; of no use any more when something is added. */
  get content(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  clear(): void {
    this.#used = 0;
    if (this.#bytes.length > firstBytes) this.#bytes = Buffer.allocUnsafe(firstBytes);
  }

  #grow(needed: number): boolean {
    if (needed > maxBytes) return false;
    const larger = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(2 * this.#bytes.length, needed)));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
    return true;
  }
}
