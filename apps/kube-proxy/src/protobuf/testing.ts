import { bytesFieldOf, envelope, magic } from './protobuf-fields.ts';

const text = (field: number, value: string) => bytesFieldOf(field, Buffer.from(value));

/** What Go's encoder writes around an object. */
export function inEnvelope(kind: string, object: Buffer): Buffer {
  const typeMeta = Buffer.concat([text(1, 'v1'), text(2, kind)]);
  const parts = [bytesFieldOf(envelope.typeMeta, typeMeta), bytesFieldOf(envelope.raw, object)];
  return Buffer.concat([magic, ...parts, text(envelope.contentEncoding, ''), text(envelope.contentType, '')]);
}

/** An object with metadata, a spec of some bytes, and a number and a fixed-size field as some kinds have. */
export function protobufPod(namespace: string, name: string, spec = 'nested\u0000'): Buffer {
  const metadata = Buffer.concat([
    text(1, name),
    text(2, 'web-'),
    text(3, namespace),
    text(5, 'uid'),
    Buffer.from([0x38, 5]),
  ]);
  return Buffer.concat([bytesFieldOf(1, metadata), text(2, spec), Buffer.from([0x18, 0x96, 0x01])]);
}

/** The metadata of a list as ListMeta. */
export function protobufListMeta(token: string, remaining?: number): Buffer {
  const count = remaining === undefined ? Buffer.alloc(0) : Buffer.from([0x20, remaining]);
  return bytesFieldOf(1, Buffer.concat([text(1, ''), text(2, '7'), text(3, token), count]));
}

export function protobufList(items: readonly Buffer[], token = '', remaining?: number): Buffer {
  const fields = [protobufListMeta(token, remaining), ...items.map((item) => bytesFieldOf(2, item))];
  return inEnvelope('PodList', Buffer.concat(fields));
}

/** An event of a watch behind its length. */
export function protobufEvent(type: string, object: Buffer): Buffer {
  const event = Buffer.concat([text(1, type), bytesFieldOf(2, bytesFieldOf(1, object))]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}
