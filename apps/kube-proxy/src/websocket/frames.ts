import { randomBytes } from 'node:crypto';
import { failure } from '@postern/core';

/** Opcodes of RFC 6455, section 11.8. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Status codes of RFC 6455, section 7.4.1, that are sent here. */
export const closeCodes = {
  normal: 1000,
  protocolError: 1002,
  policyViolation: 1008,
  internal: 1011,
} as const;

export const WebSocketViolation = failure(
  'invalid_argument',
  'kube.websocket_violation',
  (why: string) => `the WebSocket stream was ended because it breaks RFC 6455: ${why}`,
);

/** What a piece of payload is of: a message may come in several frames, and a frame in several pieces. */
export interface MessagePart {
  readonly isText: boolean;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface WebSocketEvents {
  data(chunk: Buffer, part: MessagePart): void;
  ping(payload: Buffer): void;
  pong(payload: Buffer): void;
  close(code: number): void;
}

const maxFrameBytes = 16 * 1024 * 1024;
const maxControlBytes = 125;
const nothing = Buffer.alloc(0);

interface FrameHeader {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly mask: Buffer | undefined;
  readonly length: number;
}

/**
 * Reads the frames of one direction as they come, without keeping payload of messages. Extensions are never negotiated here,
 * so that a reserved bit is a violation, and with it compression that would hide bytes from whoever reads along.
 */
export class WebSocketReader {
  readonly #isMasked: boolean;
  readonly #events: WebSocketEvents;
  #head = nothing;
  #frame: FrameHeader | undefined;
  #left = 0;
  #read = 0;
  #control: Buffer[] = [];
  /** The message that is under way, from its first frame to its last. */
  #message: { isText: boolean; hasBegun: boolean } | undefined;
  #isClosed = false;

  /** `isMasked` for frames of a client, which must be; those of a server must not (section 5.1). */
  constructor(isMasked: boolean, events: WebSocketEvents) {
    this.#isMasked = isMasked;
    this.#events = events;
  }

  /** Whether a frame of somebody else may be put in between here. */
  get isBetweenFrames(): boolean {
    return this.#frame === undefined && this.#head.length === 0;
  }

  /** Whether another message may. */
  get isBetweenMessages(): boolean {
    return this.isBetweenFrames && this.#message === undefined && !this.#isClosed;
  }

  /** Reads the next piece and gives where the one behind it begins. Throws WebSocketViolation. */
  read(chunk: Buffer, at: number): number {
    return this.#frame === undefined ? this.#readHead(chunk, at) : this.#readPayload(chunk, at);
  }

  #readHead(chunk: Buffer, at: number): number {
    const kept = this.#head.length;
    const head =
      kept === 0
        ? chunk.subarray(at, at + 14)
        : Buffer.concat([this.#head, chunk.subarray(at, at + 14 - kept)]);
    const size = headSize(head);
    if (head.length < size) {
      this.#head = Buffer.from(head);
      return at + head.length - kept;
    }
    this.#head = nothing;
    this.#begin(parseHead(head, size));
    return at + size - kept;
  }

  #begin(frame: FrameHeader): void {
    if ((frame.mask !== undefined) !== this.#isMasked) throw WebSocketViolation('a frame is masked wrongly');
    if (this.#isClosed) throw WebSocketViolation('a frame follows the closing one');
    if (frame.opcode < opcodes.close) this.#beginData(frame);
    else if (!frame.isFinal || frame.length > maxControlBytes)
      throw WebSocketViolation('a control frame is fragmented or too long');
    this.#frame = frame;
    this.#left = frame.length;
    this.#read = 0;
    if (frame.length === 0) this.#piece(frame, nothing);
  }

  #beginData({ opcode, length }: FrameHeader): void {
    if (length > maxFrameBytes) throw WebSocketViolation('a frame is too long');
    const isContinued = opcode === opcodes.continuation;
    if (isContinued !== (this.#message !== undefined))
      throw WebSocketViolation('a message is fragmented wrongly');
    if (!isContinued) this.#message = { isText: opcode === opcodes.text, hasBegun: false };
  }

  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    const frame = this.#frame!;
    const piece = chunk.subarray(at, end);
    this.#left -= piece.length;
    const plain = frame.mask ? unmasked(piece, frame.mask, this.#read) : piece;
    this.#read += piece.length;
    this.#piece(frame, plain);
    return end;
  }

  #piece(frame: FrameHeader, piece: Buffer): void {
    const isWhole = this.#left === 0;
    if (isWhole) this.#frame = undefined;
    if (frame.opcode >= opcodes.close) {
      this.#control.push(piece);
      if (isWhole) this.#controlled(frame.opcode, Buffer.concat(this.#control.splice(0)));
      return;
    }
    const { isText, hasBegun } = this.#message!;
    const isLast = isWhole && frame.isFinal;
    this.#message = isLast ? undefined : { isText, hasBegun: true };
    this.#events.data(piece, { isText, isFirst: !hasBegun, isLast });
  }

  #controlled(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.ping) this.#events.ping(payload);
    else if (opcode === opcodes.pong) this.#events.pong(payload);
    else {
      if (payload.length === 1) throw WebSocketViolation('a close code is cut short');
      this.#isClosed = true;
      this.#events.close(payload.length === 0 ? closeCodes.normal : payload.readUInt16BE(0));
    }
  }
}

/** Bytes of the head that begins so, as far as that is known yet. */
function headSize(head: Buffer): number {
  if (head.length < 2) return 2;
  const length = head[1]! & 0x7f;
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
  return 2 + extended + (head[1]! & 0x80 ? 4 : 0);
}

const knownOpcodes: ReadonlySet<number> = new Set(Object.values(opcodes));

function parseHead(head: Buffer, size: number): FrameHeader {
  if ((head[0]! & 0x70) !== 0)
    throw WebSocketViolation('a reserved bit is set, and no extension was agreed on');
  const opcode = head[0]! & 0x0f;
  if (!knownOpcodes.has(opcode)) throw WebSocketViolation('an opcode is unknown');
  const mask = head[1]! & 0x80 ? Buffer.from(head.subarray(size - 4, size)) : undefined;
  return { isFinal: (head[0]! & 0x80) !== 0, opcode, mask, length: payloadLength(head) };
}

function payloadLength(head: Buffer): number {
  const short = head[1]! & 0x7f;
  if (short < 126) return short;
  if (short === 126) return head.readUInt16BE(2);
  if (head.readUInt32BE(2) !== 0) throw WebSocketViolation('a frame is too long');
  return head.readUInt32BE(6);
}

function unmasked(piece: Buffer, mask: Buffer, offset: number): Buffer {
  const plain = Buffer.allocUnsafe(piece.length);
  for (let at = 0; at < piece.length; at += 1) plain[at] = piece[at]! ^ mask[(offset + at) & 3]!;
  return plain;
}

/** A whole frame. `isMasked` for what a client sends. */
export function encodeFrame(opcode: number, payload: Buffer, isMasked = false): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = 0x80 | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, unmasked(payload, mask, 0)]);
}

/** A closing frame. The reason is cut to what fits, which is 123 bytes. */
export function encodeClose(code: number, reason = '', isMasked = false): Buffer {
  const payload = Buffer.alloc(2 + Math.min(Buffer.byteLength(reason), maxControlBytes - 2));
  payload.writeUInt16BE(code, 0);
  // Writes whole characters only.
  const written = payload.write(reason, 2, 'utf8');
  return encodeFrame(opcodes.close, payload.subarray(0, 2 + written), isMasked);
}
