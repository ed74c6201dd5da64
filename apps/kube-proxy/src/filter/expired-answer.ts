import { isPlainObject } from '@postern/core';
import { protobufType, statusWithoutMetadata } from '../protobuf/protobuf-fields.ts';
import { type BodyFilter, UnreadableAnswer } from './body-filter.ts';

const maxBytes = 64 * 1024;

/**
 * Reads the answer that a page is no longer there. It holds a token by which the list could go on all the same, and so the key
 * of an object in the clear. The token is taken out; the client lists anew.
 */
export class ExpiredAnswer implements BodyFilter {
  readonly #type: string;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  /** `type` is the media type of the answer. */
  constructor(type: string) {
    this.#type = type;
  }

  push(chunk: Buffer): undefined {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > maxBytes) throw UnreadableAnswer('it is too large for an error');
  }

  end(): Buffer {
    const body = Buffer.concat(this.#parts);
    return this.#type === protobufType ? statusWithoutMetadata(body) : withoutToken(parsed(body));
  }
}

function withoutToken(status: Record<string, unknown>): Buffer {
  const { metadata, ...rest } = status;
  const { continue: _token, remainingItemCount: _count, ...kept } = isPlainObject(metadata) ? metadata : {};
  return Buffer.from(JSON.stringify({ ...rest, metadata: kept }));
}

function parsed(body: Buffer): Record<string, unknown> {
  try {
    const status: unknown = JSON.parse(body.toString());
    if (isPlainObject(status)) return status;
  } catch (error) {
    throw UnreadableAnswer.from(error, 'it is an error that is not valid JSON');
  }
  throw UnreadableAnswer('it is an error that is not valid JSON');
}
