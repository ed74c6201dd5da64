import { failure } from '@postern/core';

/** An answer that cannot be told apart from what follows it, or is no HTTP at all. */
export const MalformedAnswer = failure(
  'unavailable',
  'kube.malformed_answer',
  (why: string) => `the server's answer is not proper HTTP: ${why}`,
);

/** Names in lower case; one that came several times has a list. */
export type AnswerHeaders = Record<string, string | string[] | undefined>;

export interface AnswerEvents {
  /** A final answer's head, once. */
  head(status: number, headers: AnswerHeaders): void;
  /** Part of the body: a view of what was pushed. */
  data(chunk: Buffer): void;
  /** `isReusable`: another request may follow on the connection. */
  end(isReusable: boolean): void;
}

const maxHeadBytes = 65_536;
const maxChunkLineBytes = 256;
const maxInformational = 8;
/** A head that comes in more pieces is copied too often; no server sends one like that. */
const maxHeadParts = 1000;
const statusLine = /^HTTP\/1\.1 ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const fieldName = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** Names that came before, checked and in lower case: API servers use the same few. */
const knownNames = new Map<string, string>();
const maxKnownNames = 500;
// oxlint-disable-next-line no-control-regex -- what may not stand in a head (RFC 9110, 5.5), and line ends of half a kind
const notInHead = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|[^\r]\n/;
const headEnd = Buffer.from('\r\n\r\n');
const lf = 0x0a;
const cr = 0x0d;

type State = 'head' | 'length' | 'close' | 'size' | 'chunk' | 'chunk-end' | 'trailers' | 'done';

/**
 * Reads one HTTP/1.1 answer after another off a connection (RFC 9112), and nothing but what is unambiguous: a line ends with
 * CR LF, a length is said once and in one way, an answer says how long it is or ends the connection. Whatever else there is
 * throws, and the connection is not used again: two readings of where an answer ends would give one user another's.
 */
export class AnswerReader {
  readonly #events: AnswerEvents;
  #state: State = 'done';
  #isHead = false;
  /** Bytes of a head, a chunk's size or trailers that have not all come. */
  #rest: Buffer | undefined;
  #left = 0;
  #isReusable = false;
  #informational = 0;
  #headParts = 0;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  /** Whether an answer has begun, in part or as a whole, since `expect`. */
  get hasBegun(): boolean {
    return this.#state !== 'head' || this.#rest !== undefined || this.#informational > 0;
  }

  /** Whether what comes next is body. */
  get isInBody(): boolean {
    return this.#state === 'length' || this.#state === 'close' || this.#state === 'chunk';
  }

  /** The next answer is that to a request of this method. */
  expect(method: string): void {
    this.#state = 'head';
    this.#isHead = method === 'HEAD';
    this.#rest = undefined;
    this.#informational = 0;
    this.#headParts = 0;
  }

  /** Reads what came. Throws when it is not HTTP, or more than the answer that is expected. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'done') throw MalformedAnswer('something follows the answer');
      at = this.#step(bytes, at);
    }
  }

  /** The connection ended. True when that ends the answer, as it does where no length was said. */
  finish(): boolean {
    if (this.#state !== 'close') return false;
    this.#end(false);
    return true;
  }

  #step(bytes: Buffer, at: number): number {
    if (this.#state === 'length' || this.#state === 'chunk') return this.#readCounted(bytes, at);
    if (this.#state === 'head') return this.#readHead(bytes, at);
    if (this.#state !== 'close') return this.#readLine(bytes, at);
    this.#events.data(bytes.subarray(at));
    return bytes.length;
  }

  #readHead(bytes: Buffer, at: number): number {
    const known = this.#rest;
    const from = known ? Math.max(0, known.length - 3) : at;
    const text = known ? Buffer.concat([known, bytes.subarray(at)]) : bytes;
    const end = text.indexOf(headEnd, from);
    const start = known ? 0 : at;
    if ((end < 0 ? text.length : end) - start > maxHeadBytes) throw MalformedAnswer('its head is too long');
    if (end < 0) {
      this.#headParts += 1;
      if (this.#headParts > maxHeadParts) throw MalformedAnswer('its head comes in too many pieces');
      this.#rest = Buffer.from(text.subarray(start));
      return bytes.length;
    }
    this.#rest = undefined;
    const next = end + headEnd.length - (known ? known.length - at : 0);
    this.#begin(text.toString('latin1', start, end));
    return next;
  }

  #begin(head: string): void {
    if (notInHead.test(head)) throw MalformedAnswer('its head has control characters');
    const first = head.indexOf('\r\n');
    const status = Number(statusLine.exec(first < 0 ? head : head.slice(0, first))?.[1]);
    if (!(status >= 100)) throw MalformedAnswer('it does not begin with a status');
    const headers = readFields(head, first);
    if (status < 200 && status !== 101) {
      this.#informational += 1;
      if (this.#informational > maxInformational) throw MalformedAnswer('it has no final answer');
      return;
    }
    this.#isReusable = !saysClose(headers['connection']);
    const hasBody = !this.#isHead && status !== 204 && status !== 304 && status !== 101;
    this.#state = this.#framing(headers, hasBody);
    this.#events.head(status, headers);
    if (this.#state === 'done') this.#events.end(this.#isReusable);
  }

  /** How the body is delimited (RFC 9112, 6.3). */
  #framing(headers: AnswerHeaders, hasBody: boolean): State {
    const length = headers['content-length'];
    const coding = headers['transfer-encoding'];
    if (coding !== undefined) {
      if (length !== undefined) throw MalformedAnswer('it has two lengths');
      if (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked')
        throw MalformedAnswer('it has an unknown transfer coding');
      return hasBody ? 'size' : 'done';
    }
    if (length !== undefined) {
      if (typeof length !== 'string' || !/^\d{1,15}$/.test(length))
        throw MalformedAnswer('its length is not a number');
      this.#left = Number(length);
      return hasBody && this.#left > 0 ? 'length' : 'done';
    }
    if (!hasBody) return 'done';
    this.#isReusable = false;
    return 'close';
  }

  #readCounted(bytes: Buffer, at: number): number {
    const next = Math.min(bytes.length, at + this.#left);
    this.#left -= next - at;
    const isLast = this.#left === 0;
    const isCounted = this.#state === 'length';
    if (isLast && !isCounted) this.#state = 'chunk-end';
    this.#events.data(at === 0 && next === bytes.length ? bytes : bytes.subarray(at, next));
    if (isLast && isCounted) this.#end(this.#isReusable);
    return next;
  }

  /** A line of the chunked coding: a chunk's size, the end of its data, or a trailer, which goes nowhere. */
  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lf, at);
    const part = bytes.subarray(at, end < 0 ? bytes.length : end + 1);
    const line = this.#rest ? Buffer.concat([this.#rest, part]) : part;
    if (line.length > maxChunkLineBytes) throw MalformedAnswer('a line between its chunks is too long');
    if (end < 0) {
      this.#rest = Buffer.from(line);
      return bytes.length;
    }
    this.#rest = undefined;
    if (line[line.length - 2] !== cr) throw MalformedAnswer('a line in it ends without CR');
    this.#line(line.toString('latin1', 0, line.length - 2));
    return end + 1;
  }

  #line(text: string): void {
    if (this.#state === 'chunk-end') {
      if (text !== '') throw MalformedAnswer('a chunk is longer than it says');
      this.#state = 'size';
    } else if (this.#state === 'size') {
      const size = /^([\da-fA-F]{1,8})(?:[\t ]*;[\t\x20-\x7e]*)?$/.exec(text)?.[1];
      if (size === undefined) throw MalformedAnswer('the size of a chunk is not a number');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    } else if (text === '') this.#end(this.#isReusable);
    else {
      this.#left += 1;
      if (this.#left > 64) throw MalformedAnswer('it has too many trailers');
    }
  }

  #end(isReusable: boolean): void {
    this.#state = 'done';
    this.#events.end(isReusable);
  }
}

/** The fields of a head after the line end at `from`; -1 where there are none. */
function readFields(head: string, from: number): AnswerHeaders {
  const headers = Object.create(null) as AnswerHeaders;
  for (let end = from; end >= 0;) {
    const at = end + 2;
    end = head.indexOf('\r\n', at);
    const colon = head.indexOf(':', at);
    const name = colon <= at || (end >= 0 && colon > end) ? undefined : nameOf(head.slice(at, colon));
    if (name === undefined) throw MalformedAnswer('a header in it is malformed');
    const value = head.slice(colon + 1, end < 0 ? undefined : end).trim();
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === 'string') headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

function nameOf(raw: string): string | undefined {
  const known = knownNames.get(raw);
  if (known !== undefined) return known;
  if (!fieldName.test(raw)) return undefined;
  const name = raw.toLowerCase();
  if (knownNames.size < maxKnownNames) knownNames.set(raw, name);
  return name;
}

function saysClose(connection: string | string[] | undefined): boolean {
  if (connection === undefined) return false;
  return /(?:^|,)\s*close\s*(?:,|$)/i.test(
    typeof connection === 'string' ? connection : connection.join(','),
  );
}
