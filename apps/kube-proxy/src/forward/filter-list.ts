import { type BodyFilter, type MaySee, UnreadableAnswer } from './body-filter.ts';
import {
  byte,
  endOfContainer,
  endOfString,
  endOfValue,
  memberOf,
  newScan,
  skipSpace,
  textMember,
} from './json-bytes.ts';

/** Changes to the list's own metadata, given and returned as JSON. */
export type RewriteListMetadata = (metadata: Record<string, unknown>) => Record<string, unknown>;

const maxValueBytes = 32 * 1024 * 1024;

type Step = (bytes: Buffer, at: number) => number;

/**
 * Filters a list as it streams by: typed lists and PartialObjectMetadataList by `items`, Table by `rows`. Only the element
 * that is being read is held, so memory does not grow with the list. Bytes that stay are copied as they are.
 *
 * Each step reads from a position and returns the next one, or -1 when it needs more bytes; everything before the position is
 * done with.
 */
export class ListFilter implements BodyFilter {
  readonly #maySee: MaySee;
  readonly #rewrite: RewriteListMetadata;
  #rest: Buffer = Buffer.alloc(0);
  #step: Step = this.#open;
  #isDone = false;
  /** Scan of the value at the beginning of `#rest`, so that no byte is read twice. */
  #scan = newScan();
  #scanned = 0;
  #array: 'items' | 'rows' = 'items';
  #isFirst = true;
  #out: Buffer[] = [];

  constructor(maySee: MaySee, rewrite: RewriteListMetadata) {
    this.#maySee = maySee;
    this.#rewrite = rewrite;
  }

  push(chunk: Buffer): Buffer | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next < 0) break;
      at = next;
    }
    this.#rest = bytes.subarray(at);
    if (this.#rest.length > maxValueBytes) throw UnreadableAnswer('an object in it is too large');
    return this.#take();
  }

  end(): Buffer | undefined {
    if (!this.#isDone) throw UnreadableAnswer('it ended too early');
    return undefined;
  }

  #take(): Buffer | undefined {
    const out = this.#out;
    if (out.length === 0) return undefined;
    this.#out = [];
    return out.length === 1 ? out[0] : Buffer.concat(out);
  }

  #open(bytes: Buffer, from: number): number {
    const at = skipSpace(bytes, from);
    if (at === bytes.length) return at;
    if (bytes[at] !== byte.openObject) throw UnreadableAnswer('it is not a JSON object');
    this.#out.push(bytes.subarray(at, at + 1));
    this.#step = this.#member;
    return at + 1;
  }

  /** Before a key, a comma, or the end of the list object. */
  #member(bytes: Buffer, from: number): number {
    const at = skipSpace(bytes, from);
    if (at === bytes.length) return at;
    const code = bytes[at];
    if (code === byte.comma || code === byte.closeObject) {
      this.#out.push(bytes.subarray(at, at + 1));
      this.#isDone = code === byte.closeObject;
      if (this.#isDone) this.#step = this.#tail;
      return at + 1;
    }
    if (code !== byte.quote) throw UnreadableAnswer('it is not valid JSON');
    return this.#key(bytes, at);
  }

  #key(bytes: Buffer, at: number): number {
    const keyEnd = endOfString(bytes, at);
    if (keyEnd < 0) return -1;
    const colon = skipSpace(bytes, keyEnd);
    if (colon >= bytes.length) return -1;
    if (bytes[colon] !== byte.colon) throw UnreadableAnswer('it is not valid JSON');
    const start = skipSpace(bytes, colon + 1);
    if (start >= bytes.length) return -1;
    this.#out.push(bytes.subarray(at, keyEnd), colonBytes);
    const key = JSON.parse(bytes.toString('utf8', at, keyEnd)) as string;
    return this.#value(bytes, start, key);
  }

  #value(bytes: Buffer, start: number, key: string): number {
    const code = bytes[start];
    if ((key === 'items' || key === 'rows') && code === byte.openArray) {
      this.#array = key;
      this.#isFirst = true;
      this.#out.push(bytes.subarray(start, start + 1));
      this.#step = this.#between;
      return start + 1;
    }
    this.#step = key === 'metadata' && code === byte.openObject ? this.#metadata : this.#passed;
    return start;
  }

  #passed(bytes: Buffer, start: number): number {
    const end = this.#endOf(bytes, start);
    if (end < 0) return -1;
    this.#out.push(bytes.subarray(start, end));
    this.#step = this.#member;
    return end;
  }

  #metadata(bytes: Buffer, start: number): number {
    const end = this.#endOf(bytes, start);
    if (end < 0) return -1;
    const metadata = JSON.parse(bytes.toString('utf8', start, end)) as Record<string, unknown>;
    this.#out.push(Buffer.from(JSON.stringify(this.#rewrite(metadata))));
    this.#step = this.#member;
    return end;
  }

  /** Between elements of the array. */
  #between(bytes: Buffer, from: number): number {
    let at = skipSpace(bytes, from);
    if (bytes[at] === byte.comma) at = skipSpace(bytes, at + 1);
    if (at === bytes.length) return at;
    if (bytes[at] === byte.closeArray) {
      this.#out.push(bytes.subarray(at, at + 1));
      this.#step = this.#member;
      return at + 1;
    }
    if (bytes[at] !== byte.openObject) throw UnreadableAnswer('an element of it is not an object');
    this.#step = this.#element;
    return at;
  }

  #element(bytes: Buffer, start: number): number {
    const end = this.#endOf(bytes, start);
    if (end < 0) return -1;
    if (this.#maySeeElement(bytes.subarray(start, end))) {
      if (!this.#isFirst) this.#out.push(commaBytes);
      this.#isFirst = false;
      this.#out.push(bytes.subarray(start, end));
    }
    this.#step = this.#between;
    return end;
  }

  /** An element without a readable name is nobody's to see. */
  #maySeeElement(element: Buffer): boolean {
    const object = this.#array === 'rows' ? memberOf(element, 0, 'object')?.start : 0;
    if (object === undefined || element[object] !== byte.openObject) return false;
    const metadata = memberOf(element, object, 'metadata')?.start;
    if (metadata === undefined || element[metadata] !== byte.openObject) return false;
    const name = textMember(element, metadata, 'name');
    return name !== undefined && this.#maySee(textMember(element, metadata, 'namespace') ?? '', name);
  }

  #tail(bytes: Buffer, from: number): number {
    const at = skipSpace(bytes, from);
    if (at < bytes.length) throw UnreadableAnswer('something follows the list');
    return at;
  }

  /** The end of the value at `start`, resuming where the last chunk ended. */
  #endOf(bytes: Buffer, start: number): number {
    const code = bytes[start];
    if (code !== byte.openObject && code !== byte.openArray) return endOfValue(bytes, start);
    const end = endOfContainer(bytes, start + this.#scanned, this.#scan);
    this.#scanned = end < 0 ? bytes.length - start : 0;
    if (end >= 0) this.#scan = newScan();
    return end;
  }
}

const colonBytes = Buffer.from(':');
const commaBytes = Buffer.from(',');
