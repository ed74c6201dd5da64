/** One value of ASN.1 in BER (ITU-T X.690): its tag byte, its content, and what it is made of where it is constructed. */
export interface BerValue {
  readonly tag: number;
  /** The content octets; of a value without a stated length those before its end. */
  readonly content: Buffer;
  /** The whole encoding, with tag and length. */
  readonly whole: Buffer;
  /** Whether the length is stated, as DER demands. */
  readonly isDefinite: boolean;
}

/** Bytes that are not BER, or BER beyond the bounds of what a message of ours may be. */
export class MalformedBer extends RangeError {
  override readonly name = 'MalformedBer';
}

const constructed = 0x20;
const maxDepth = 16;
const maxValues = 64;

/**
 * The values that lie side by side in a buffer. Lengths that are not stated are read too, for the metadata service of EC2
 * writes them. Throws `MalformedBer` on anything else, on more than 64 values and below a depth of 16.
 */
export function readBer(bytes: Buffer): BerValue[] {
  return valuesIn(bytes, 0);
}

function valuesIn(bytes: Buffer, depth: number): BerValue[] {
  const values: BerValue[] = [];
  for (let at = 0; at < bytes.length; at += values.at(-1)!.whole.length) {
    if (values.length === maxValues) throw new MalformedBer('too many values');
    values.push(readValue(bytes.subarray(at), depth));
  }
  return values;
}

function readValue(bytes: Buffer, depth: number): BerValue {
  if (depth > maxDepth) throw new MalformedBer('too deep');
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || tag === 0)
    throw new MalformedBer('no tag of one byte');
  if (first === 0x80) return readOpenEnded(bytes, tag, depth);
  const { length, header } = statedLength(bytes, first);
  const end = header + length;
  if (end > bytes.length) throw new MalformedBer('cut short');
  return { tag, content: bytes.subarray(header, end), whole: bytes.subarray(0, end), isDefinite: true };
}

/** Ends where two zero bytes stand in the place of a value. */
function readOpenEnded(bytes: Buffer, tag: number, depth: number): BerValue {
  if ((tag & constructed) === 0) throw new MalformedBer('a primitive value has no end');
  let at = 2;
  for (let count = 0; bytes[at] !== 0 || bytes[at + 1] !== 0; count += 1) {
    if (count === maxValues || at >= bytes.length) throw new MalformedBer('no end');
    at += readValue(bytes.subarray(at), depth + 1).whole.length;
  }
  return { tag, content: bytes.subarray(2, at), whole: bytes.subarray(0, at + 2), isDefinite: false };
}

function statedLength(bytes: Buffer, first: number): { length: number; header: number } {
  if (first < 0x80) return { length: first, header: 2 };
  const size = first & 0x7f;
  if (size > 3 || bytes.length < 2 + size) throw new MalformedBer('a length of more than three bytes');
  return { length: bytes.readUIntBE(2, size), header: 2 + size };
}

const octetString = 0x04;

/** The bytes of an octet string, which BER may write in pieces. */
export function octetsOf(value: BerValue, depth = 0): Buffer {
  if (value.tag === octetString) return value.content;
  if (value.tag !== (octetString | constructed) || depth > 2) throw new MalformedBer('no octet string');
  return Buffer.concat(valuesIn(value.content, depth).map((piece) => octetsOf(piece, depth + 1)));
}
