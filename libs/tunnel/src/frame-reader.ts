import { ProtocolBroken } from './failures.ts';
import { endFlag, frameType, headerBytes, payloadBounds } from './frame.ts';

/** Who takes the frames. What it throws ends the reading. */
export interface FrameSink {
  /** A frame of data begins; its length is within bounds. Its bytes follow in parts, none when it is empty. */
  dataBegins(stream: number, length: number, isLast: boolean): void;
  dataPart(part: Buffer): void;
  dataEnds(): void;
  /** Any other frame, whole. The payload is only good during the call. */
  frame(type: number, stream: number, payload: Buffer): void;
}

const nothing = Buffer.alloc(0);

/**
 * Cuts the bytes of a peer into frames, however they are split. Data is passed on as it comes, so that no peer makes us hold
 * half a frame of it; a frame of another type is gathered, one at a time, after its length was checked.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #isStopped = false;
  /** Header bytes of a frame that was split within its header. */
  #header: Buffer | undefined;
  #headerLength = 0;
  #type = 0;
  #stream = 0;
  /** Bytes of the payload still to come. */
  #left = 0;
  #gathered: Buffer | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Reads what came; throws when it is no frame of the protocol, or when the sink does. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#isStopped)
      at = this.#left > 0 ? this.#readPayload(chunk, at) : this.#readHeader(chunk, at);
  }

  /** Nothing is read any more, not even the rest of the chunk in hand. */
  stop(): void {
    this.#isStopped = true;
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headerLength === 0 && chunk.length - at >= headerBytes) {
      this.#begin(chunk, at);
      return at + headerBytes;
    }
    this.#header ??= Buffer.alloc(headerBytes);
    const taken = chunk.copy(this.#header, this.#headerLength, at, at + headerBytes - this.#headerLength);
    this.#headerLength += taken;
    if (this.#headerLength === headerBytes) {
      this.#headerLength = 0;
      this.#begin(this.#header, 0);
    }
    return at + taken;
  }

  #begin(bytes: Buffer, at: number): void {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const type = bytes[at + 3]!;
    const stream = bytes.readUInt32BE(at + 4);
    const bounds = payloadBounds[type];
    if (bounds === undefined) throw ProtocolBroken('a frame of an unknown type');
    if (length > bounds.most) throw ProtocolBroken('a frame longer than its type may be');
    if (length < bounds.least) throw ProtocolBroken('a frame shorter than its type may be');
    this.#type = type;
    this.#stream = stream;
    this.#left = length;
    if (this.#isData) {
      this.#sink.dataBegins(stream, length, (type & endFlag) !== 0);
      if (length === 0) this.#sink.dataEnds();
    } else if (length === 0) this.#sink.frame(type, stream, nothing);
  }

  get #isData(): boolean {
    return (this.#type & ~endFlag) === frameType.data;
  }

  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    const part = at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end);
    if (!this.#isData) this.#gather(part);
    else {
      this.#sink.dataPart(part);
      if (this.#left === 0) this.#sink.dataEnds();
    }
    return end;
  }

  #gather(part: Buffer): void {
    if (this.#left === 0 && this.#gathered === undefined) {
      this.#sink.frame(this.#type, this.#stream, part);
      return;
    }
    this.#gathered ??= Buffer.allocUnsafeSlow(part.length + this.#left);
    part.copy(this.#gathered, this.#gathered.length - this.#left - part.length);
    if (this.#left > 0) return;
    const whole = this.#gathered;
    this.#gathered = undefined;
    this.#sink.frame(this.#type, this.#stream, whole);
  }
}
