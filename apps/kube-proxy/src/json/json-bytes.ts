/** Byte-level reading of JSON that was produced by an encoder: it finds where values end, and trusts nothing else. */

import { atOpening, ContainerEnds } from './container-ends.ts';
import { byte, isSpace, skipSpace } from './json-tokens.ts';

/** The position behind the string whose opening quote is at `from`, or -1. */
export function endOfString(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; at < bytes.length; at += 1) {
    if (bytes[at] === byte.backslash) at += 1;
    else if (bytes[at] === byte.quote) return at + 1;
  }
  return -1;
}

/** The position behind any whole value that begins at `from`, or -1 when it does not end within the bytes. */
export function endOfValue(bytes: Buffer, from: number, ends = new ContainerEnds(bytes)): number {
  const code = bytes[from];
  if (code === byte.quote) return endOfString(bytes, from);
  if (code === byte.openObject || code === byte.openArray) return Math.max(ends.find(from, atOpening), -1);
  return endOfPrimitive(bytes, from);
}

/** Numbers and literals end where something else begins, so they cannot end at the end of a chunk. */
function endOfPrimitive(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at += 1) {
    const code = bytes[at]!;
    if (code === byte.comma || code === byte.closeObject || code === byte.closeArray || isSpace(code))
      return at;
  }
  return -1;
}

/** Whether the string between two quotes is this plain text, written in any way. */
export function isText(bytes: Buffer, start: number, end: number, text: string): boolean {
  const extra = end - start - 2 - text.length;
  if (extra === 0) {
    for (let at = 0; at < text.length; at += 1) {
      if (bytes[start + 1 + at] !== text.charCodeAt(at)) return false;
    }
    return true;
  }
  // A character that is written as an escape takes five bytes more.
  return extra > 0 && extra % 5 === 0 && textOf(bytes, start, end) === text;
}

/** The text of a string between its two quotes; undefined when it is not valid. */
export function textOf(bytes: Buffer, start: number, end: number): string | undefined {
  const plain = bytes.toString('latin1', start + 1, end - 1);
  if (!/[^\x20-\x5b\x5d-\x7e]/.test(plain)) return plain;
  try {
    return JSON.parse(bytes.toString('utf8', start, end)) as string;
  } catch {
    return undefined;
  }
}

/** One member of an object: its key, and where its value is. */
export interface Member {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

/** The members of the object that begins at `from`, in a text that is known to be JSON. */
export function membersOf(bytes: Buffer, from: number): Member[] {
  const members: Member[] = [];
  let at = skipSpace(bytes, from + 1);
  while (bytes[at] === byte.quote) {
    const keyEnd = endOfString(bytes, at);
    const start = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = endOfValue(bytes, start);
    if (keyEnd < 0 || end < 0) break;
    members.push({ key: JSON.parse(bytes.toString('utf8', at, keyEnd)) as string, start, end });
    at = skipSpace(bytes, end);
    if (bytes[at] !== byte.comma) break;
    at = skipSpace(bytes, at + 1);
  }
  return members;
}
