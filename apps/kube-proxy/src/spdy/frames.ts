import { HeaderBlockReader, type SpdyHeaders } from './header-block.ts';
import { SpdyViolation } from './violation.ts';

// Framing of SPDY/3.1 as Kubernetes speaks it (github.com/moby/spdystream): without flow control, push and credentials.

const types = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const resetCodes = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
} as const;

const version = 3;
const finFlag = 1;
const headBytes = 8;
const maxControlBytes = 16_384;

export interface SpdyEvents {
  /** A stream begins; `isFinished` when its opener sends nothing on it. */
  opened(id: number, headers: SpdyHeaders, isFinished: boolean): void;
  replied(id: number, isFinished: boolean): void;
  /** A piece of data; empty pieces come too, with the end of a stream. */
  data(id: number, chunk: Buffer, isFinished: boolean): void;
  reset(id: number): void;
  ping(id: number): void;
  goneAway(): void;
}

interface FrameHead {
  /** Type of a control frame; undefined for data. */
  readonly type: number | undefined;
  readonly streamId: number;
  readonly isFinal: boolean;
}

/** How the header blocks of a direction are dealt with: whoever only passes frames on need not read those of a server. */
export interface HeaderBlocks {
  read(block: Buffer): SpdyHeaders;
}

export const unreadHeaders: HeaderBlocks = { read: () => new Map() };

/** Reads the frames of one direction as they come. Data is handed on in pieces; control frames are small and read whole. */
export class SpdyReader {
  readonly #events: SpdyEvents;
  readonly #headers: HeaderBlocks;
  #head = Buffer.alloc(headBytes);
  #headLength = 0;
  #frame: FrameHead | undefined;
  #left = 0;
  #control: Buffer[] = [];

  constructor(events: SpdyEvents, headers: HeaderBlocks = new HeaderBlockReader()) {
    this.#events = events;
    this.#headers = headers;
  }

  /** Whether a frame of somebody else may be put in between here. */
  get isBetweenFrames(): boolean {
    return this.#frame === undefined && this.#headLength === 0;
  }

  /** Reads the next piece and gives where the one behind it begins. Throws SpdyViolation. */
  read(chunk: Buffer, at: number): number {
    return this.#frame === undefined ? this.#readHead(chunk, at) : this.#readBody(chunk, at);
  }

  #readHead(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + headBytes - this.#headLength);
    chunk.copy(this.#head, this.#headLength, at, end);
    this.#headLength += end - at;
    if (this.#headLength < headBytes) return end;
    this.#headLength = 0;
    this.#left = this.#head.readUIntBE(5, 3);
    this.#frame = parseHead(this.#head, this.#left);
    if (this.#left === 0) this.#piece(this.#frame, Buffer.alloc(0));
    return end;
  }

  #readBody(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.#piece(this.#frame!, chunk.subarray(at, end));
    return end;
  }

  #piece(frame: FrameHead, piece: Buffer): void {
    const isWhole = this.#left === 0;
    if (isWhole) this.#frame = undefined;
    if (frame.type === undefined) {
      this.#events.data(frame.streamId, piece, isWhole && frame.isFinal);
      return;
    }
    this.#control.push(piece);
    if (isWhole) this.#controlled(frame, Buffer.concat(this.#control.splice(0)));
  }

  #controlled({ type, isFinal }: FrameHead, body: Buffer): void {
    switch (type!) {
      case types.synStream:
        this.#events.opened(streamIdAt(body, 10), this.#headers.read(body.subarray(10)), isFinal);
        return;
      case types.synReply:
        this.#headers.read(body.subarray(4));
        this.#events.replied(streamIdAt(body, 4), isFinal);
        return;
      case types.headers:
        this.#headers.read(body.subarray(4));
        if (isFinal) this.#events.data(streamIdAt(body, 4), Buffer.alloc(0), true);
        return;
      case types.rstStream:
        this.#events.reset(streamIdAt(body, 8));
        return;
      case types.ping:
        if (body.length !== 4) throw SpdyViolation('a PING has the wrong length');
        this.#events.ping(body.readUInt32BE(0));
        return;
      case types.goAway:
        this.#events.goneAway();
        return;
      default:
      // SETTINGS and WINDOW_UPDATE change nothing: nobody here controls flow by them.
    }
  }
}

const knownTypes: ReadonlySet<number> = new Set(Object.values(types));

function parseHead(head: Buffer, length: number): FrameHead {
  const first = head.readUInt32BE(0);
  const isFinal = (head[4]! & finFlag) !== 0;
  if (first < 0x80000000) {
    if (first === 0) throw SpdyViolation('data is for stream 0');
    return { type: undefined, streamId: first, isFinal };
  }
  const type = first & 0xffff;
  if (((first >>> 16) & 0x7fff) !== version) throw SpdyViolation('a frame is of another version');
  if (!knownTypes.has(type)) throw SpdyViolation('a frame is of an unknown type');
  if (length > maxControlBytes) throw SpdyViolation('a control frame is too long');
  return { type, streamId: 0, isFinal };
}

/** The stream id that a control frame's body begins with; `least` is how long the body has to be. */
function streamIdAt(body: Buffer, least: number): number {
  if (body.length < least) throw SpdyViolation('a control frame is cut short');
  const id = body.readUInt32BE(0) & 0x7fffffff;
  if (id === 0) throw SpdyViolation('a control frame is for stream 0');
  return id;
}

function controlFrame(type: number, body: Buffer, flags = 0): Buffer {
  const frame = Buffer.alloc(headBytes + body.length);
  frame.writeUInt16BE(0x8000 | version, 0);
  frame.writeUInt16BE(type, 2);
  frame[4] = flags;
  frame.writeUIntBE(body.length, 5, 3);
  body.copy(frame, headBytes);
  return frame;
}

function uint32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

/** `block` is the written header block. */
export function encodeSynStream(id: number, block: Buffer): Buffer {
  return controlFrame(types.synStream, Buffer.concat([uint32s(id, 0), Buffer.alloc(2), block]));
}

export function encodeSynReply(id: number, block: Buffer): Buffer {
  return controlFrame(types.synReply, Buffer.concat([uint32s(id), block]));
}

export function encodeReset(id: number, code: number): Buffer {
  return controlFrame(types.rstStream, uint32s(id, code));
}

export function encodePing(id: number): Buffer {
  return controlFrame(types.ping, uint32s(id));
}

export function encodeGoAway(lastId: number): Buffer {
  return controlFrame(types.goAway, uint32s(lastId, 0));
}

/** Data of up to 16 MB in one frame. */
export function encodeData(id: number, chunk: Buffer, isFinished = false): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + chunk.length);
  frame.writeUInt32BE(id, 0);
  frame[4] = isFinished ? finFlag : 0;
  frame.writeUIntBE(chunk.length, 5, 3);
  chunk.copy(frame, headBytes);
  return frame;
}
