import type { Readable } from 'node:stream';
import { failure, isPlainObject } from '@postern/core';
import { type Member, membersOf } from '../json/json-bytes.ts';
import { skipSpace } from '../json/json-tokens.ts';
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
  /** The object that is to be replaced: with it nothing can come into being. A resource version alone does not prevent that. */
  readonly uid: string;
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

/**
 * The name in the body of a create or update. What another decoder could read differently is refused, because the API server
 * is one: it merges fields that come twice, where we would see one of them, and its YAML has merge keys, tags and line ends
 * that ours does not. No client of Kubernetes sends YAML.
 */
export function objectIdentity(body: Buffer, contentType: string | undefined): ObjectIdentity {
  const type = (contentType ?? 'application/json').split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/vnd.kubernetes.protobuf') return protobufIdentity(body);
  if (type === 'application/json') return jsonIdentity(body);
  throw UnreadableObject(`the content type ${JSON.stringify(type.slice(0, 80))} is not supported`);
}

function tryParse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw UnreadableObject.from(error, 'it is not valid');
  }
}

function jsonIdentity(body: Buffer): ObjectIdentity {
  const object = tryParse(() => JSON.parse(body.toString('utf8')) as unknown);
  const metadata = isPlainObject(object) ? object['metadata'] : undefined;
  if (!isPlainObject(metadata)) throw UnreadableObject('it has no metadata');
  const members = membersOf(body, skipSpace(body, 0));
  requireOnce(members);
  requireOnce(membersOf(body, members.find(({ key }) => key === 'metadata')!.start));
  return {
    name: textOf(metadata['name']),
    generateName: textOf(metadata['generateName']),
    uid: textOf(metadata['uid']),
  };
}

function requireOnce(members: readonly Member[]): void {
  const keys = members.map(({ key }) => key);
  if (new Set(keys).size !== keys.length) throw UnreadableObject('a field is there twice');
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw UnreadableObject('a field of its metadata is not a text');
  return value;
}

/** ObjectMeta is the first field of every Kubernetes object. */
const fields = { metadata: 1, name: 1, generateName: 2, uid: 5 } as const;

function protobufIdentity(body: Buffer): ObjectIdentity {
  const metadata = tryParse(() => bytesField(protobufObject(body), fields.metadata));
  if (!metadata) throw UnreadableObject('it has no metadata');
  const text = (field: number) => tryParse(() => textField(metadata, field));
  return { name: text(fields.name), generateName: text(fields.generateName), uid: text(fields.uid) };
}
