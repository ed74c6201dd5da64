/**
 * The wire. Every frame is 8 bytes of header and a payload:
 *
 *     length of the payload (24 bits) | type (8) | stream (32)
 *
 * all big-endian. Stream 0 is the tunnel itself. The end that dialled opens odd streams, the other one even ones, each
 * counting up by 2 without a gap. ALPN names the version, so there is no greeting; both begin with the windows below.
 *
 *     OPEN    head        a stream begins
 *     ANSWER  head        once, by the end that did not open, before its DATA
 *     DATA    bytes       costs credit; with `endFlag` in its type the last one of its direction, and only then maybe empty
 *     RESET   error       the stream is over. Answered by an empty RESET unless both directions had ended or resets crossed:
 *                         so each end knows exactly until when frames of a stream it gave up may still come
 *     CREDIT  u32         so many more bytes may be sent on the stream, or on all of them together (stream 0)
 *     PING    u32         answered by PONG with the same number
 *     DRAIN   –           open nothing more; answered by DRAINED, behind whatever was opened before
 *     CLOSE   error or –  the last frame
 */
export const frameType = {
  open: 1,
  answer: 2,
  data: 3,
  reset: 4,
  credit: 5,
  ping: 6,
  pong: 7,
  drain: 8,
  drained: 9,
  close: 10,
} as const;

export type FrameType = (typeof frameType)[keyof typeof frameType];

/** Set in the type of the last DATA of a direction. */
export const endFlag = 0x80;

export const headerBytes = 8;

/** A frame of data fills one TLS record (RFC 8446 section 5.1), and is the turn of a stream among others. */
export const mostDataBytes = 16_384 - headerBytes;

export const mostHeadBytes = 65_536;

/** Kind, length of the code, code, message: see told-error.ts. */
export const mostErrorBytes = 2048;

/** What a peer may send on a new stream before it hears more. Small, since every stream that is not read may hold it. */
export const firstStreamWindow = 65_536;

/** What a peer may have under way in a new tunnel. It is what a new small frame waits behind at most. */
export const firstTunnelWindow = 262_144;

/** No honest end gives more credit than this in advance, nor so little at once. */
export const mostCredit = 64 * 1024 * 1024;
export const leastCredit = 4096;

interface PayloadBounds {
  readonly least: number;
  readonly most: number;
}

/** How long the payload of each type may be. */
export const payloadBounds: Readonly<Record<number, PayloadBounds>> = {
  [frameType.open]: { least: 1, most: mostHeadBytes },
  [frameType.answer]: { least: 1, most: mostHeadBytes },
  [frameType.data]: { least: 1, most: mostDataBytes },
  [frameType.data | endFlag]: { least: 0, most: mostDataBytes },
  [frameType.reset]: { least: 0, most: mostErrorBytes },
  [frameType.credit]: { least: 4, most: 4 },
  [frameType.ping]: { least: 4, most: 4 },
  [frameType.pong]: { least: 4, most: 4 },
  [frameType.drain]: { least: 0, most: 0 },
  [frameType.drained]: { least: 0, most: 0 },
  [frameType.close]: { least: 0, most: mostErrorBytes },
};
