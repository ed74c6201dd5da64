import { failure } from '@postern/core';
import { ProtocolBroken } from './failures.ts';
import { mostHeadBytes } from './frame.ts';
import type { AnswerHead, OpenHead } from './stream-contract.ts';

/** A head of ours that the protocol cannot carry. */
export const HeadRefused = failure(
  'invalid_argument',
  'tunnel.head_refused',
  (why: string) => `the head cannot go through a tunnel: ${why}`,
);

/** Headers of a head at most. */
export const mostHeaders = 256;

/** A head in the form of the wire: the lengths of its texts, and the texts in one. */
export interface PackedHead {
  readonly pieces: readonly string[];
  readonly text: string;
  readonly bytes: number;
  /** Of an answer. */
  readonly status?: number;
}

// Latin-1 without control characters but the tab, as in the field values of RFC 9110 section 5.5. Anything above would lose its
// upper byte in Latin-1 and could come out as a line break at the other end.
const forbidden = /[^\t\x20-\x7e\x80-\xff]/;

/** The texts of an opening head; absent ones are empty. */
export function packOpen(head: OpenHead): PackedHead {
  const { method, path, headers, upgrade = '', to = '' } = head;
  return packed([method, path, upgrade, to, ...headers], headers.length);
}

export function packAnswer({ status, headers }: AnswerHead): PackedHead {
  if (!isStatus(status)) throw HeadRefused('its status is not one of HTTP');
  return { ...packed(headers, headers.length), status };
}

function packed(pieces: readonly string[], headerTexts: number): PackedHead {
  const text = pieces.join('');
  const bytes = 2 + 2 * pieces.length + text.length;
  if (headerTexts % 2 !== 0) throw HeadRefused('a header has no value');
  if (headerTexts > 2 * mostHeaders) throw HeadRefused(`it has more than ${mostHeaders} headers`);
  if (bytes + 2 > mostHeadBytes) throw HeadRefused(`it is longer than ${mostHeadBytes} bytes`);
  if (forbidden.test(text)) throw HeadRefused('it has characters that no header may have');
  return { pieces, text, bytes };
}

/** Writes the texts at the offset; `bytes` of it is how long they become. */
export function writePieces({ pieces, text }: PackedHead, target: Buffer, offset: number): void {
  target[offset] = pieces.length >>> 8;
  target[offset + 1] = pieces.length & 0xff;
  let at = offset + 2;
  for (const { length } of pieces) {
    target[at] = length >>> 8;
    target[at + 1] = length & 0xff;
    at += 2;
  }
  target.write(text, at, 'latin1');
}

/** Reads the payload of an OPEN. */
export function readOpen(payload: Buffer): OpenHead {
  const pieces = readPieces(payload, 0, 4 + 2 * mostHeaders);
  if (pieces.length < 4 || pieces.length % 2 !== 0) throw ProtocolBroken('a head without a method or path');
  const [method, path, upgrade, to] = pieces as [string, string, string, string];
  if (method === '' || path === '') throw ProtocolBroken('a head without a method or path');
  return {
    method,
    path,
    headers: pieces.slice(4),
    ...(upgrade === '' ? {} : { upgrade }),
    ...(to === '' ? {} : { to }),
  };
}

/** Reads the payload of an ANSWER. */
export function readAnswer(payload: Buffer): AnswerHead {
  const status = payload.length < 4 ? 0 : payload.readUInt16BE(0);
  if (!isStatus(status)) throw ProtocolBroken('an answer without a status');
  const headers = readPieces(payload, 2, 2 * mostHeaders);
  if (headers.length % 2 !== 0) throw ProtocolBroken('a header without a value');
  return { status, headers };
}

function readPieces(payload: Buffer, offset: number, most: number): string[] {
  const count = payload.length < offset + 2 ? -1 : payload.readUInt16BE(offset);
  const start = offset + 2 + 2 * count;
  if (count < 0 || count > most || start > payload.length) throw ProtocolBroken('a head with too many texts');
  const text = payload.toString('latin1', start);
  if (forbidden.test(text)) throw ProtocolBroken('a head with characters that no header may have');
  const pieces: string[] = [];
  let from = 0;
  for (let at = offset + 2; pieces.length < count; at += 2) {
    const to = from + ((payload[at]! << 8) | payload[at + 1]!);
    pieces.push(text.slice(from, to));
    from = to;
  }
  if (from !== text.length) throw ProtocolBroken('a head whose lengths do not add up');
  return pieces;
}

function isStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 100 && status <= 999;
}
