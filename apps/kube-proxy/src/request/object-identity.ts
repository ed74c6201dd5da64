import type { Readable } from 'node:stream';
import { failure, isPlainObject } from '@postern/core';
import { parse } from 'yaml';
import { bytesField, protobufObject, textField } from './protobuf.ts';

export const BodyTooLarge = failure(
  'resource_exhausted',
  'kube.body_too_large',
  (maxBytes: number) => `the request body is larger than ${maxBytes} bytes`,
);

export const BodyIncomplete = failure(
  'invalid_argument',
  'kube.body_incomplete',
  () => 'the request body ended too early',
);

export const UnreadableObject = failure(
  'invalid_argument',
  'kube.unreadable_object',
  (why: string) => `your roles depend on the object's name, and it cannot be read from the body: ${why}`,
);

/** What a body says about the object that is to be written. */
export interface ObjectIdentity {
  readonly name: string;
  readonly generateName: string;
  readonly resourceVersion: string;
}

/** The limit of kube-apiserver itself. */
export const maxObjectBytes = 3 * 1024 * 1024;

/** Reads a whole body, up to a limit. */
export async function readBody(body: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw BodyTooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    throw BodyTooLarge.is(error) ? error : BodyIncomplete.from(error);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** The name in the body of a create or update, in any encoding that kube-apiserver takes except CBOR. */
export function objectIdentity(body: Buffer, contentType: string | undefined): ObjectIdentity {
  const type = (contentType ?? 'application/json').split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/vnd.kubernetes.protobuf') return protobufIdentity(body);
  if (type === 'application/json')
    return metadataOf(tryParse(() => JSON.parse(body.toString('utf8')) as unknown));
  if (type === 'application/yaml') {
    return metadataOf(
      tryParse(() => parse(body.toString('utf8'), { maxAliasCount: 0, schema: 'core' }) as unknown),
    );
  }
  throw UnreadableObject(`the content type ${JSON.stringify(type.slice(0, 80))} is not supported`);
}

function tryParse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw UnreadableObject.from(error, 'it is not valid');
  }
}

function metadataOf(object: unknown): ObjectIdentity {
  const metadata = isPlainObject(object) ? object['metadata'] : undefined;
  if (!isPlainObject(metadata)) throw UnreadableObject('it has no metadata');
  return {
    name: textOf(metadata['name']),
    generateName: textOf(metadata['generateName']),
    resourceVersion: textOf(metadata['resourceVersion']),
  };
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw UnreadableObject('a field of its metadata is not a text');
  return value;
}

/** ObjectMeta is the first field of every Kubernetes object. */
const fields = { metadata: 1, name: 1, generateName: 2, resourceVersion: 6 } as const;

function protobufIdentity(body: Buffer): ObjectIdentity {
  const metadata = tryParse(() => bytesField(protobufObject(body), fields.metadata));
  if (!metadata) throw UnreadableObject('it has no metadata');
  const text = (field: number) => tryParse(() => textField(metadata, field));
  return {
    name: text(fields.name),
    generateName: text(fields.generateName),
    resourceVersion: text(fields.resourceVersion),
  };
}
