/** Byte-level reading of JSON that was produced by an encoder: it finds where values end, and trusts nothing else. */

export const byte = {
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  openArray: 0x5b,
  backslash: 0x5c,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
  newline: 0x0a,
} as const;

/** Where a scan stands inside one value; carried from chunk to chunk. */
export interface ValueScan {
  depth: number;
  inString: boolean;
  escaped: boolean;
}

export function newScan(): ValueScan {
  return { depth: 0, inString: false, escaped: false };
}

/** The position behind the object or array that `scan` is in, or -1 when it does not end within the bytes. */
export function endOfContainer(bytes: Buffer, from: number, scan: ValueScan): number {
  const length = bytes.length;
  for (let at = from; at < length; at += 1) {
    if (scan.inString) at = endOfText(bytes, at, scan);
    else {
      const code = bytes[at]!;
      if (code === byte.quote) scan.inString = true;
      else if (code === byte.openObject || code === byte.openArray) scan.depth += 1;
      else if ((code === byte.closeObject || code === byte.closeArray) && --scan.depth === 0) return at + 1;
    }
  }
  return -1;
}

/** Leaves a string at its closing quote, which is searched natively: most bytes of an object are in strings. */
function endOfText(bytes: Buffer, from: number, scan: ValueScan): number {
  if (scan.escaped) {
    scan.escaped = false;
    return from;
  }
  const quote = bytes.indexOf(byte.quote, from);
  const end = quote < 0 ? bytes.length : quote;
  let backslashes = 0;
  while (end - backslashes > from && bytes[end - backslashes - 1] === byte.backslash) backslashes += 1;
  const isEscaped = backslashes % 2 === 1;
  if (quote < 0) scan.escaped = isEscaped;
  else scan.inString = isEscaped;
  return end;
}

export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at]!)) at += 1;
  return at;
}

/** The position behind the string whose opening quote is at `from`, or -1. */
export function endOfString(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; at < bytes.length; at += 1) {
    if (bytes[at] === byte.backslash) at += 1;
    else if (bytes[at] === byte.quote) return at + 1;
  }
  return -1;
}

/** The position behind any whole value that begins at `from`, or -1 when it does not end within the bytes. */
export function endOfValue(bytes: Buffer, from: number): number {
  const code = bytes[from];
  if (code === byte.quote) return endOfString(bytes, from);
  if (code === byte.openObject || code === byte.openArray) return endOfContainer(bytes, from, newScan());
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

/** The range of the value of a key in the object that begins at `from`; undefined when there is none. */
export function memberOf(
  bytes: Buffer,
  from: number,
  key: string,
): { start: number; end: number } | undefined {
  let at = skipSpace(bytes, from + 1);
  while (bytes[at] === byte.quote) {
    const keyEnd = endOfString(bytes, at);
    const colon = skipSpace(bytes, keyEnd);
    if (keyEnd < 0 || bytes[colon] !== byte.colon) return undefined;
    const start = skipSpace(bytes, colon + 1);
    const end = endOfValue(bytes, start);
    if (end < 0) return undefined;
    if (keyEnd - at - 2 === key.length && bytes.toString('latin1', at + 1, keyEnd - 1) === key)
      return { start, end };
    at = skipSpace(bytes, end);
    if (bytes[at] !== byte.comma) return undefined;
    at = skipSpace(bytes, at + 1);
  }
  return undefined;
}

/** The text of a string member, or undefined when it is absent or no string. */
export function textMember(bytes: Buffer, from: number, key: string): string | undefined {
  const member = memberOf(bytes, from, key);
  if (!member || bytes[member.start] !== byte.quote) return undefined;
  return JSON.parse(bytes.toString('utf8', member.start, member.end)) as string;
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
