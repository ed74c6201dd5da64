import { crc32 } from 'node:zlib';

/** A fact, or a promise: the fact to be told when nothing else is said under its id. */
export type FrameType = 'fact' | 'promise';

/** One entry of the journal. The text is the fact as JSON, its id first. */
export interface Frame {
  readonly type: FrameType;
  readonly text: string;
}

/*
 * A frame is the length of what follows the checksum (4 bytes, little endian), the CRC-32 of that (4 bytes), one byte for
 * the type, and the text as UTF-8.
 */
const headerBytes = 8;
const typeBytes = 1;
const typeCodes = { fact: 0x46, promise: 0x50 } as const satisfies Record<FrameType, number>;
const typesByCode = new Map<number, FrameType>([
  [typeCodes.fact, 'fact'],
  [typeCodes.promise, 'promise'],
]);

/** The largest text of a frame, in bytes. What is longer in a file is no frame. */
export const maxTextBytes = 1024 * 1024;

/** Bytes that a frame of a text takes at most. */
export function frameRoom(text: string): number {
  return headerBytes + typeBytes + 3 * text.length;
}

/** Writes a frame at a place with enough room for it. Returns where it ends. */
export function writeFrame(into: Buffer, at: number, { type, text }: Frame): number {
  const bodyAt = at + headerBytes;
  into[bodyAt] = typeCodes[type];
  const end = bodyAt + typeBytes + into.write(text, bodyAt + typeBytes, 'utf8');
  into.writeUInt32LE(end - bodyAt, at);
  into.writeUInt32LE(crc32(into.subarray(bodyAt, end)), at + 4);
  return end;
}

/** The whole frames at the beginning of a file, and where the last of them ends: what follows was torn by a crash. */
export function readFrames(bytes: Buffer): { readonly frames: Frame[]; readonly end: number } {
  const frames: Frame[] = [];
  let at = 0;
  for (;;) {
    const frame = readFrame(bytes, at);
    if (!frame) return { frames, end: at };
    frames.push(frame);
    at += headerBytes + bytes.readUInt32LE(at);
  }
}

function readFrame(bytes: Buffer, at: number): Frame | undefined {
  if (at + headerBytes + typeBytes > bytes.length) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + headerBytes + length;
  if (length < typeBytes || length > maxTextBytes + typeBytes || end > bytes.length) return undefined;
  const body = bytes.subarray(at + headerBytes, end);
  const type = typesByCode.get(body[0]!);
  if (!type || crc32(body) !== bytes.readUInt32LE(at + 4)) return undefined;
  return { type, text: body.toString('utf8', typeBytes) };
}

const idPrefix = '{"id":"';

/** The id of the fact in a frame. Ids are made by this program of letters, digits and dashes. */
export function idOf(text: string): string {
  return text.slice(idPrefix.length, text.indexOf('"', idPrefix.length));
}
