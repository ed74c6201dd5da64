import { ChunkedReader, HeadReader } from '@postern/kube';
import { type RequestHead, RequestHeads } from './request-head.ts';
import { malformed, Violation } from './violation.ts';

export interface RequestEvents {
  /** A head, once for each request. */
  head(head: RequestHead): void;
  /** Part of the body: a view of what was pushed. */
  data(chunk: Buffer): void;
  /** The request is whole. */
  end(): void;
}

type State = 'head' | 'length' | 'chunked' | 'done';

/** Reads one request after another off a connection of HTTP/1.1, and none further than to its end. */
export class RequestReader {
  readonly #events: RequestEvents;
  readonly #heads = new RequestHeads();
  readonly #head: HeadReader;
  readonly #chunks: ChunkedReader;
  #state: State = 'head';
  #left = 0;

  constructor(events: RequestEvents, maxHeadBytes: number) {
    this.#events = events;
    this.#head = new HeadReader(maxHeadBytes, (why) => new Violation(431, why));
    this.#chunks = new ChunkedReader({ data: (chunk) => events.data(chunk), malformed });
  }

  /** Whether the request that was read last is whole. */
  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Whether part of a head has come. */
  get isInHead(): boolean {
    return this.#head.isInside;
  }

  /** What is pushed next is another request. */
  next(): void {
    this.#state = 'head';
  }

  /** Reads to the end of a request, or of what there is, and returns where that is. Throws a Violation. */
  push(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') at = this.#step(bytes, at);
    return at;
  }

  #step(bytes: Buffer, at: number): number {
    if (this.#state === 'head') return this.#readHead(bytes, at);
    if (this.#state === 'length') return this.#readCounted(bytes, at);
    const next = this.#chunks.read(bytes, at);
    if (this.#chunks.isDone) this.#end();
    return next;
  }

  #readHead(bytes: Buffer, at: number): number {
    const isFirst = !this.#head.isInside;
    const next = this.#head.read(bytes, at);
    const { text } = this.#head;
    if (text === undefined) {
      if (!mayBeInHead(bytes.toString('latin1', at), isFirst)) throw malformed('it is no HTTP');
      return next;
    }
    this.#head.begin();
    const head = this.#heads.read(text);
    const { length } = head;
    this.#state = length === undefined ? 'chunked' : length > 0 ? 'length' : 'done';
    this.#left = length ?? 0;
    this.#chunks.begin();
    this.#events.head(head);
    if (length === 0) this.#events.end();
    return next;
  }

  #readCounted(bytes: Buffer, at: number): number {
    const next = Math.min(bytes.length, at + this.#left);
    this.#left -= next - at;
    this.#events.data(at === 0 && next === bytes.length ? bytes : bytes.subarray(at, next));
    if (this.#left === 0) this.#end();
    return next;
  }

  #end(): void {
    this.#state = 'done';
    this.#events.end();
  }
}

// oxlint-disable-next-line no-control-regex -- what is in no head
const inNoHead = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** Whether a part of a head can be one: who speaks something else is not waited for. */
function mayBeInHead(part: string, isFirst: boolean): boolean {
  return !inNoHead.test(part) && (!isFirst || /^[A-Z]{1,10}(?: |$)/.test(part));
}
