import { failure } from '@postern/core';
import { ChunkedReader } from './chunked-reader.ts';
import { fieldName, isHeadText } from './field-name.ts';
import { HeadReader } from './head-reader.ts';

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
const maxInformational = 8;
const statusLine = /^HTTP\/1\.1 [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const statusAt = 'HTTP/1.1 '.length;

type State = 'head' | 'length' | 'close' | 'chunked' | 'done';

/**
 * Reads one HTTP/1.1 answer after another off a connection (RFC 9112), and nothing but what is unambiguous: a line ends with
 * CR LF, a length is said once and in one way, an answer says how long it is or ends the connection. Whatever else there is
 * throws, and the connection is not used again: two readings of where an answer ends would give one user another's.
 */
export class AnswerReader {
  readonly #events: AnswerEvents;
  readonly #head = new HeadReader(maxHeadBytes, MalformedAnswer);
  readonly #chunks: ChunkedReader;
  #state: State = 'done';
  #isHead = false;
  #left = 0;
  #isReusable = false;
  #informational = 0;

  constructor(events: AnswerEvents) {
    this.#events = events;
    this.#chunks = new ChunkedReader({ data: (chunk) => events.data(chunk), malformed: MalformedAnswer });
  }

  /** Whether an answer has begun, in part or as a whole, since `expect`. */
  get hasBegun(): boolean {
    return this.#state !== 'head' || this.#head.isInside || this.#informational > 0;
  }

  /** Whether what comes next is body. */
  get isInBody(): boolean {
    const isInChunk = this.#state === 'chunked' && this.#chunks.isInData;
    return isInChunk || this.#state === 'length' || this.#state === 'close';
  }

  /** The next answer is that to a request of this method. */
  expect(method: string): void {
    this.#state = 'head';
    this.#isHead = method === 'HEAD';
    this.#head.begin();
    this.#informational = 0;
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
    if (this.#state === 'length') return this.#readCounted(bytes, at);
    if (this.#state === 'head') return this.#readHead(bytes, at);
    if (this.#state === 'chunked') return this.#readChunked(bytes, at);
    this.#events.data(bytes.subarray(at));
    return bytes.length;
  }

  #readHead(bytes: Buffer, at: number): number {
    const next = this.#head.read(bytes, at);
    const { text } = this.#head;
    if (text === undefined) return next;
    this.#head.begin();
    this.#begin(text);
    return next;
  }

  #begin(head: string): void {
    if (!isHeadText(head)) throw MalformedAnswer('its head has control characters');
    const first = head.indexOf('\r\n');
    if (!statusLine.test(first < 0 ? head : head.slice(0, first)))
      throw MalformedAnswer('it does not begin with a status');
    const status = Number(head.slice(statusAt, statusAt + 3));
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
      if (!hasBody) return 'done';
      this.#chunks.begin();
      return 'chunked';
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
    this.#events.data(at === 0 && next === bytes.length ? bytes : bytes.subarray(at, next));
    if (isLast) this.#end(this.#isReusable);
    return next;
  }

  #readChunked(bytes: Buffer, at: number): number {
    const next = this.#chunks.read(bytes, at);
    if (this.#chunks.isDone) this.#end(this.#isReusable);
    return next;
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
    const name = colon <= at || (end >= 0 && colon > end) ? undefined : fieldName(head.slice(at, colon));
    if (name === undefined) throw MalformedAnswer('a header in it is malformed');
    const value = head.slice(colon + 1, end < 0 ? undefined : end).trim();
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === 'string') headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

function saysClose(connection: string | string[] | undefined): boolean {
  if (connection === undefined) return false;
  return /(?:^|,)\s*close\s*(?:,|$)/i.test(
    typeof connection === 'string' ? connection : connection.join(','),
  );
}
