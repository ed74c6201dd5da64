import { type MaySee, UnreadableAnswer } from '../filter/body-filter.ts';
import { bytesField, fieldsOf, InvalidProtobuf, protobufObject, textField } from '../request/protobuf.ts';

/** Media type of Kubernetes' protobuf encoding. */
export const protobufType = 'application/vnd.kubernetes.protobuf';

/** Reads a message, and says of one that is malformed that the answer cannot be filtered. */
export function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidProtobuf) throw UnreadableAnswer.from(error, error.message);
    throw error;
  }
}

const objectMetadata = 1;
const metadataName = 1;
const metadataNamespace = 3;

/**
 * Whether the user may see an object. Every kind has its `ObjectMeta` as field 1, and that has name and namespace as fields 1
 * and 3 (`generated.proto` of k8s.io/api and of apimachinery's meta/v1). An object without a name is nobody's to see.
 */
export function maySeeObject(object: Buffer, maySee: MaySee): boolean {
  const metadata = bytesField(object, objectMetadata);
  if (!metadata) return false;
  const name = textField(metadata, metadataName);
  return name !== '' && maySee(textField(metadata, metadataNamespace), name);
}

/** What every object in protobuf begins with, before its envelope. */
export const magic = Buffer.from('k8s\0');

/** Fields of runtime.Unknown, the envelope of every object. */
export const envelope = { typeMeta: 1, raw: 2, contentEncoding: 3, contentType: 4 } as const;

const statusMetadata = 1;

/** An error, a `metav1.Status` in its envelope, without its metadata. */
export function statusWithoutMetadata(body: Buffer): Buffer {
  return readable(() => {
    const fields = [...fieldsOf(protobufObject(body))].filter(({ field }) => field !== statusMetadata);
    const typeMeta = bytesField(body.subarray(magic.length), envelope.typeMeta) ?? Buffer.alloc(0);
    const status = Buffer.concat(fields.map(({ whole }) => whole));
    return Buffer.concat([
      magic,
      bytesFieldOf(envelope.typeMeta, typeMeta),
      bytesFieldOf(envelope.raw, status),
    ]);
  });
}

const lengthDelimited = 2;

/** A field with bytes, as it is written. */
export function bytesFieldOf(field: number, value: Buffer): Buffer {
  return Buffer.concat([tagAndLength(field, value.length), value]);
}

/** What stands before so many bytes that are a field. */
export function tagAndLength(field: number, length: number): Buffer {
  return Buffer.from([field * 8 + lengthDelimited, ...varintOf(length)]);
}

function varintOf(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varintOf(Math.floor(value / 0x80))];
}
