import { endFlag, frameType, type FrameType, headerBytes } from './frame.ts';
import { type PackedHead, writePieces } from './head.ts';

/** What one write to the socket is aimed at, in bytes. More than this never waits in the process for the kernel to take it. */
export const batchBytes = 131_072;

const bufferBytes = batchBytes + 16_384;
const mostSpare = 32;

// Shared by all tunnels of the process, so that an idle one holds none.
const spare: Buffer[] = [];

/**
 * Frames in the order in which they go out, in one buffer: a single write costs a single system call and as few TLS records as
 * can be. The buffer is used again when the socket is done with it.
 */
export class OutBuffer {
  #bytes: Buffer | undefined;
  #length = 0;

  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }

  head(type: FrameType, stream: number, head: PackedHead): void {
    const extra = head.status === undefined ? 0 : 2;
    let at = this.#frame(type, stream, head.bytes + extra);
    if (head.status !== undefined) at = this.#bytes!.writeUInt16BE(head.status, at);
    writePieces(head, this.#bytes!, at);
  }

  number(type: FrameType, stream: number, value: number): void {
    const at = this.#frame(type, stream, 4);
    this.#bytes!.writeUInt32BE(value, at);
  }

  payload(type: FrameType, stream: number, payload: Uint8Array): void {
    const at = this.#frame(type, stream, payload.length);
    this.#bytes!.set(payload, at);
  }

  /** Makes room for a frame of data; its bytes go into the buffer at the offset that `fill` is given. */
  data(stream: number, length: number, isLast: boolean): { readonly target: Buffer; readonly at: number } {
    const at = this.#frame(isLast ? frameType.data | endFlag : frameType.data, stream, length);
    return { target: this.#bytes!, at };
  }

  /** Takes everything. Who gets it gives it back by `release`. */
  take(): Buffer {
    const taken = this.#bytes!.subarray(0, this.#length);
    this.#bytes = undefined;
    this.#length = 0;
    return taken;
  }

  /** Nothing that waits is sent. */
  discard(): void {
    if (this.#bytes !== undefined) release(this.take());
  }

  #frame(type: number, stream: number, length: number): number {
    const at = this.#length;
    const end = at + headerBytes + length;
    const bytes = this.#withRoom(end);
    bytes[at] = length >>> 16;
    bytes[at + 1] = (length >>> 8) & 0xff;
    bytes[at + 2] = length & 0xff;
    bytes[at + 3] = type;
    bytes.writeUInt32BE(stream, at + 4);
    this.#length = end;
    return at + headerBytes;
  }

  #withRoom(end: number): Buffer {
    this.#bytes ??= spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    if (end <= this.#bytes.length) return this.#bytes;
    const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    release(this.#bytes);
    this.#bytes = larger;
    return larger;
  }
}

/** Gives a buffer back that was taken and is not read by anybody any more. */
export function release(taken: Buffer): void {
  if (taken.buffer.byteLength === bufferBytes && spare.length < mostSpare)
    spare.push(Buffer.from(taken.buffer));
}
