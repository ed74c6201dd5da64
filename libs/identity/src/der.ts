/** One DER value: its tag, its content, and the whole of it with tag and length. */
export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

/** Reads the values that lie side by side in a buffer. Throws a RangeError on anything but minimal definite lengths. */
export function readDer(bytes: Buffer, limit: number): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; at += values.at(-1)!.whole.length) {
    if (values.length === limit) throw new RangeError('more DER values than expected');
    values.push(readValue(bytes.subarray(at)));
  }
  return values;
}

function readValue(bytes: Buffer): DerValue {
  const { length, header } = readLength(bytes);
  const end = header + length;
  if (end > bytes.length) throw new RangeError('a DER value is cut short');
  return { tag: bytes[0]!, content: bytes.subarray(header, end), whole: bytes.subarray(0, end) };
}

function readLength(bytes: Buffer): { length: number; header: number } {
  if (bytes.length < 2 || (bytes[0]! & 0x1f) === 0x1f) throw new RangeError('a DER value is malformed');
  const first = bytes[1]!;
  if (first < 0x80) return { length: first, header: 2 };
  const size = first & 0x7f;
  if (size < 1 || size > 3 || bytes.length < 2 + size) throw new RangeError('a DER length is malformed');
  const length = bytes.readUIntBE(2, size);
  const isMinimal = length >= 0x80 && length >= 2 ** (8 * (size - 1));
  if (!isMinimal) throw new RangeError('a DER length is not minimal');
  return { length, header: 2 + size };
}
