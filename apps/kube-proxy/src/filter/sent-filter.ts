import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { ResourceFilter } from '@postern/access';
import { failure, isPlainObject, parseJson } from '@postern/core';

/** A request whose grant names a filter that did not come with it, or that came as another. */
export const FilterMissing = failure(
  'unauthenticated',
  'kube.filter_missing',
  () => 'the filter that the grant names did not come with the request',
);

/** A filter as the edge sends it to an agent: as the body of the request, which a list or watch has no other use for. */
export interface SentFilter {
  readonly body: Buffer;
  /** Of the body. The signed grant holds it, so that a filter is worth what the grant is. */
  readonly digest: string;
}

const encoded = new WeakMap<ResourceFilter, SentFilter>();

/** A filter to be sent. It may be of many thousand rules, for which no header has room. */
export function sentFilter(filter: ResourceFilter): SentFilter {
  const known = encoded.get(filter);
  if (known) return known;
  const body = deflateRawSync(JSON.stringify(filter));
  const sent = { body, digest: digestOf(body) };
  encoded.set(filter, sent);
  return sent;
}

/** Whether two filters say the same. Costs little however many rules they have and however often it is asked. */
export function isSameFilter(a: ResourceFilter | undefined, b: ResourceFilter | undefined): boolean {
  if (a === b || !a || !b) return a === b;
  return sentFilter(a).digest === sentFilter(b).digest;
}

const maxBodyBytes = 4 * 1024 * 1024;
const maxTextBytes = 16 * 1024 * 1024;
const maxKeptBytes = 32 * 1024 * 1024;
const maxKept = 5000;

interface Kept {
  readonly filter: ResourceFilter;
  readonly bytes: number;
}

/** The filters that edges sent, each read and compiled once. */
export class ReceivedFilters {
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;

  /** The filter that a grant names, from the body of its request. Throws unless the body is that filter. */
  async read(body: Readable, digest: string): Promise<ResourceFilter> {
    const known = this.#kept.get(digest);
    if (known) {
      body.resume();
      return known.filter;
    }
    const bytes = await bodyOf(body);
    if (digestOf(bytes) !== digest) throw FilterMissing();
    const text = textOf(bytes);
    const filter = parsed(text);
    this.#keep(digest, { filter, bytes: text.length });
    return filter;
  }

  #keep(digest: string, kept: Kept): void {
    this.#keptBytes += kept.bytes - (this.#kept.get(digest)?.bytes ?? 0);
    this.#kept.set(digest, kept);
    for (const [oldest, { bytes }] of this.#kept) {
      const fits = this.#keptBytes <= maxKeptBytes && this.#kept.size <= maxKept;
      if (fits || oldest === digest) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes;
    }
  }
}

function digestOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('base64url');
}

async function bodyOf(body: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBodyBytes) throw FilterMissing();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function textOf(body: Buffer): string {
  try {
    return inflateRawSync(body, { maxOutputLength: maxTextBytes }).toString();
  } catch (error) {
    throw FilterMissing.from(error);
  }
}

/** An edge wrote it, so that only its outline is checked; its version is when it is compiled. */
function parsed(text: string): ResourceFilter {
  const filter = parseJson(text);
  if (!isPlainObject(filter) || !Array.isArray(filter['allow']) || !Array.isArray(filter['deny']))
    throw FilterMissing();
  return filter as unknown as ResourceFilter;
}
