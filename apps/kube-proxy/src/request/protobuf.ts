/** As much of Kubernetes' protobuf encoding as it takes to read a few texts out of a message. */

/** Bytes that are not what they say. */
export class InvalidProtobuf extends TypeError {}

const magic = Buffer.from('k8s\0');
/** `raw` of runtime.Unknown, which wraps every object. */
const raw = 2;

/** The object inside the envelope that Kubernetes puts around all of them. */
export function protobufObject(body: Buffer): Buffer {
  if (!body.subarray(0, magic.length).equals(magic))
    throw new InvalidProtobuf('it is not Kubernetes protobuf');
  return bytesField(body.subarray(magic.length), raw) ?? Buffer.alloc(0);
}

export function textField(message: Buffer, field: number): string {
  return bytesField(message, field)?.toString('utf8') ?? '';
}

// Field numbers have 29 bits. Decoders that keep 32 would take a larger one for a small one.
const maxTag = 2 ** 32;

/** The one length-delimited field of a number. Decoders merge messages that come twice, so that is refused. */
export function bytesField(message: Buffer, wanted: number): Buffer | undefined {
  let found: Buffer | undefined;
  for (const { field, bytes } of fieldsOf(message)) {
    if (field !== wanted || !bytes) continue;
    if (found) throw new InvalidProtobuf('it has a field twice');
    found = bytes;
  }
  return found;
}

/** One field of a message. `bytes` are its value where that has a length, `whole` are also its tag and length. */
export interface ProtobufField {
  readonly field: number;
  readonly bytes: Buffer | undefined;
  readonly whole: Buffer;
}

/** The fields of a message in their order. Throws where they are malformed. */
export function* fieldsOf(message: Buffer): Generator<ProtobufField> {
  let at = 0;
  while (at < message.length) {
    const tag = varint(message, at);
    if (tag.value >= maxTag) throw new InvalidProtobuf('it has a field number that is too large');
    const { next, bytes } = valueAt(message, tag.next, tag.value % 8);
    if (next > message.length) throw new InvalidProtobuf('it ends too early');
    yield { field: Math.floor(tag.value / 8), bytes, whole: message.subarray(at, next) };
    at = next;
  }
}

function valueAt(message: Buffer, at: number, wireType: number): { next: number; bytes?: Buffer } {
  if (wireType === 0) return { next: varint(message, at).next };
  if (wireType === 1) return { next: at + 8 };
  if (wireType === 5) return { next: at + 4 };
  if (wireType !== 2) throw new InvalidProtobuf('it has an unknown wire type');
  const length = varint(message, at);
  const next = length.next + length.value;
  if (next > message.length) throw new InvalidProtobuf('it ends too early');
  return { next, bytes: message.subarray(length.next, next) };
}

/** A number of variable length, and the position behind it. Throws when it does not end within the bytes. */
export function varint(bytes: Buffer, from: number): { value: number; next: number } {
  let value = 0;
  for (let index = 0; index < 10; index += 1) {
    const byte = bytes[from + index];
    if (byte === undefined) throw new InvalidProtobuf('it ends too early');
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, next: from + index + 1 };
  }
  throw new InvalidProtobuf('it has a number that is too long');
}
