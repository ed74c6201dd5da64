import { STATUS_CODES } from 'node:http';
import type { Answer, Sink } from '../exchange.ts';
import { dateField } from './date-field.ts';

/** The connection that an answer is written to. */
export interface AnswerWay {
  /** Writes text of one byte a character, or bytes. False asks to wait until the answer is told that it `drained`. */
  write(text: string, bytes?: Buffer): boolean;
  /** Whether the connection ends with the answer that begins now. */
  endsNext(): boolean;
  /** The answer is whole, and whether the connection ends with it. */
  answered(isLast: boolean): void;
  cut(): void;
}

/** What the request says about how it can be answered. */
export interface Answerable {
  readonly isHead: boolean;
  /** Whether the client is of HTTP/1.0, and knows no chunks. */
  readonly isOld: boolean;
}

/** How long a connection is kept without a request, in milliseconds. Clients are told. */
export const idleMs = 75_000;

const kept = `connection: keep-alive\r\nkeep-alive: timeout=${idleMs / 1000}\r\n\r\n`;
const ended = 'connection: close\r\n\r\n';

/** A head, a body and the end of both go out in as few writes as can be: up to this size as one text, which Node writes at half the cost. */
const textBytes = 8192;

// oxlint-disable-next-line no-control-regex -- what would end a header, or hide in one
const notInValue = /[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/;

/** The answer to one request of HTTP/1.1. Its length is what its head says, or it comes in chunks. */
export class Http1Answer implements Answer, Sink {
  status = 0;
  extra: readonly string[] = [];
  destroyed = false;
  writableFinished = false;
  readonly #way: AnswerWay;
  readonly #request: Answerable;
  /** The head, until there is something to go with it. */
  #head = '';
  #isChunked = false;
  /** Bytes of the body that are still to come, where its length is known. */
  #left = Number.POSITIVE_INFINITY;
  #hasBody = true;
  #isLast = false;
  #whenClosed: (() => void) | undefined;
  #whenDrained: (() => void) | undefined;

  constructor(way: AnswerWay, request: Answerable) {
    this.#way = way;
    this.#request = request;
  }

  get sink(): Sink {
    return this;
  }

  begin(status: number, headers: readonly string[]): void {
    const { isHead, isOld } = this.#request;
    this.status = status;
    if (this.destroyed) return;
    const length = lengthIn(headers);
    const isEmpty = status === 204 || status === 304;
    this.#hasBody = !isHead && !isEmpty;
    this.#isChunked = length === undefined && !isOld && !isEmpty;
    this.#isLast = this.#way.endsNext() || (length === undefined && isOld);
    if (length !== undefined && this.#hasBody) this.#left = length;
    const reason = STATUS_CODES[status] ?? 'Unknown';
    let text = `HTTP/1.1 ${status} ${reason}\r\n${fieldsOf(headers)}${fieldsOf(this.extra)}${dateField()}`;
    if (this.#isChunked) text += 'transfer-encoding: chunked\r\n';
    text += this.#isLast ? ended : kept;
    // The first event of a watch may be hours away, and a body of known length comes soon.
    if (length === undefined) this.#way.write(text);
    else this.#head = text;
  }

  write(chunk: Buffer): boolean {
    if (this.destroyed || this.writableFinished) return true;
    if (!this.#hasBody || chunk.length === 0) return true;
    this.#left -= chunk.length;
    if (this.#left < 0) {
      this.abort();
      return true;
    }
    const before = this.#head;
    this.#head = '';
    return this.#isChunked ? this.#writeChunk(chunk) : this.#writeBytes(before, chunk);
  }

  end(last?: Buffer | string): void {
    if (this.destroyed || this.writableFinished) return;
    if (last !== undefined && last.length > 0)
      this.write(typeof last === 'string' ? Buffer.from(last) : last);
    const isCut = this.#hasBody && this.#left > 0 && this.#left !== Number.POSITIVE_INFINITY;
    if (isCut || this.destroyed) {
      this.abort();
      return;
    }
    if (this.#head !== '') this.#way.write(this.#head);
    else if (this.#isChunked && this.#hasBody) this.#way.write('0\r\n\r\n');
    this.writableFinished = true;
    this.#way.answered(this.#isLast);
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    if (event === 'close') this.#whenClosed = listener;
    else this.#whenDrained = listener;
  }

  abort(): void {
    this.closed();
    this.#way.cut();
  }

  /** There is room again. */
  drained(): void {
    const told = this.#whenDrained;
    this.#whenDrained = undefined;
    told?.();
  }

  /** The connection is gone. */
  closed(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#whenClosed?.();
  }

  #writeBytes(before: string, chunk: Buffer): boolean {
    if (chunk.length > textBytes) return this.#way.write(before, chunk);
    return this.#way.write(before + chunk.toString('latin1'));
  }

  #writeChunk(chunk: Buffer): boolean {
    const size = `${chunk.length.toString(16)}\r\n`;
    if (chunk.length <= textBytes) return this.#way.write(`${size}${chunk.toString('latin1')}\r\n`);
    this.#way.write(size, chunk);
    return this.#way.write('\r\n');
  }
}

/** Bytes that the head says the body has. */
function lengthIn(headers: readonly string[]): number | undefined {
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at] === 'content-length') return Number(headers[at + 1]);
  return undefined;
}

/** Lines of a head. Whoever builds answers has checked what goes into them; here nothing gets through that would begin another line. */
function fieldsOf(headers: readonly string[]): string {
  let text = '';
  for (let at = 0; at < headers.length; at += 2) {
    const value = headers[at + 1]!;
    if (notInValue.test(value)) throw new TypeError(`the header ${headers[at]} cannot be sent`);
    text += `${headers[at]}: ${value}\r\n`;
  }
  return text;
}
