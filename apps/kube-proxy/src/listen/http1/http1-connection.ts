import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ClientLeft } from '../../forward/answers.ts';
import type { Peer } from '../peer.ts';
import type { FrontHandlers } from '../tls-front.ts';
import { Http1UpgradeAnswer } from '../upgrade-answer.ts';
import { type AnswerWay, Http1Answer, idleMs } from './http1-answer.ts';
import { type BodySource, RequestBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import { type RequestEvents, RequestReader } from './request-reader.ts';
import { malformed, Violation } from './violation.ts';

/** What a client may take: times in milliseconds for a head and for a whole request, and bytes of a head. */
export interface Http1Limits {
  readonly headersMs: number;
  readonly requestMs: number;
  readonly maxHeaderBytes: number;
}

/** Whom a connection belongs to. */
export interface ConnectionOwner {
  readonly handlers: FrontHandlers;
  readonly limits: Http1Limits;
  /** Whether the listener is about to close. */
  readonly isLeaving: boolean;
  /** The connection is gone, or another protocol's from now on. */
  left(connection: Http1Connection): void;
}

/** How long a client may go on sending after it was answered: it reads the answer meanwhile. */
const graceMs = 1000;
/** Of what a client sends ahead of an answer; while there is more, nothing is read. */
const maxAheadBytes = 65_536;
// Nobody reads the body of a request that has none.
const emptyBody = Readable.from([]);

/**
 * One connection of a client that speaks HTTP/1.1. Its requests are answered one at a time and in order: what comes behind one
 * waits until that is answered. After anything that is no proper request nothing more is read.
 */
export class Http1Connection implements RequestEvents, AnswerWay, BodySource {
  readonly #socket: TLSSocket;
  readonly #peer: Peer;
  readonly #owner: ConnectionOwner;
  readonly #reader: RequestReader;
  /** Of the request under way: from its head until it is both whole and answered. */
  #answer: Http1Answer | undefined;
  #body: RequestBody | undefined;
  #isLastRequest = false;
  #awaitsContinue = false;
  #upgrade: RequestHead | undefined;
  /** What came behind the request under way. */
  #ahead: Buffer | undefined;
  #isReading = false;
  /** It takes no more requests. */
  #isEnding = false;
  #grace: NodeJS.Timeout | undefined;
  #hasAnswered = false;
  /** Since when the client is waited for, by `performance.now`. */
  #since = performance.now();

  constructor(socket: TLSSocket, peer: Peer, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#peer = peer;
    this.#owner = owner;
    this.#reader = new RequestReader(this, owner.limits.maxHeaderBytes);
    socket.on('data', this.#onData).on('drain', this.#onDrain);
    socket.on('end', this.#onEnd).on('close', this.#onClose);
  }

  /** Ends it where the client has taken too long by now. */
  check(now: number): void {
    const { headersMs, requestMs } = this.#owner.limits;
    const waited = now - this.#since;
    if (this.#answer) {
      if (waited > requestMs && !this.#reader.isDone) this.cut();
    } else if (this.#hasAnswered && !this.#reader.isInHead) {
      if (waited > idleMs) this.#end();
    } else if (waited > headersMs) this.#refuse(new Violation(408, 'its head did not come in time'));
  }

  /** Ends it where nothing of a request is there. */
  endIdle(): void {
    if (!this.#answer && !this.#ahead && !this.#reader.isInHead) this.#end();
  }

  head(head: RequestHead): void {
    if (head.upgrades) {
      if (head.length !== undefined && head.length > 0) throw malformed('an upgrade has no body');
      this.#upgrade = head;
      return;
    }
    const { method, target, rawHeaders, length, isOld } = head;
    const hasBody = length !== 0;
    const answer = new Http1Answer(this, { isHead: method === 'HEAD', isOld });
    this.#answer = answer;
    this.#body = hasBody ? new RequestBody(this) : undefined;
    this.#isLastRequest = head.closes;
    this.#awaitsContinue = head.awaitsContinue && hasBody;
    const body = this.#body ?? emptyBody;
    this.#owner.handlers.request({ method, target, rawHeaders, hasBody, body, peer: this.#peer, answer });
  }

  data(chunk: Buffer): void {
    const body = this.#body;
    if (this.#upgrade) throw malformed('an upgrade has no body');
    if (body && !body.destroyed && !body.push(chunk)) this.#socket.pause();
  }

  end(): void {
    const body = this.#body;
    if (this.#answer?.writableFinished) this.#next();
    else if (body && !body.destroyed) body.push(null);
  }

  wanted(body: RequestBody): void {
    if (body === this.#body && this.#awaitsContinue) {
      this.#awaitsContinue = false;
      if (this.#answer?.status === 0) this.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
    this.#socket.resume();
  }

  write(text: string, bytes?: Buffer): boolean {
    const socket = this.#socket;
    if (!bytes) return socket.write(text, 'latin1');
    if (text === '') return socket.write(bytes);
    socket.cork();
    socket.write(text, 'latin1');
    const hasRoom = socket.write(bytes);
    socket.uncork();
    return hasRoom;
  }

  /** A client that was not told to send its body may send it all the same, or the next request in its place. */
  endsNext(): boolean {
    return this.#isLastRequest || this.#awaitsContinue || this.#owner.isLeaving;
  }

  answered(isLast: boolean): void {
    this.#hasAnswered = true;
    if (isLast) this.#end();
    else if (this.#reader.isDone) this.#next();
    else this.#discardBody();
  }

  cut(): void {
    this.#isEnding = true;
    this.#socket.destroy();
  }

  readonly #onData = (bytes: Buffer): void => {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#read(ahead ? Buffer.concat([ahead, bytes]) : bytes);
  };

  readonly #onDrain = (): void => {
    if (this.#answer) this.#answer.drained();
    else this.#goOn();
  };

  /** Whoever ends his side has nobody who reads the answer: no client of today closes one half. */
  readonly #onEnd = (): void => {
    if (this.#answer) this.cut();
  };

  readonly #onClose = (): void => {
    clearTimeout(this.#grace);
    this.#isEnding = true;
    this.#owner.left(this);
    this.#answer?.closed();
    this.#body?.destroy(ClientLeft());
  };

  /** Whether what comes can be read: one request is answered before the next, and a client that does not read gets no more. */
  get #mayRead(): boolean {
    if (this.#isEnding) return false;
    return this.#answer || this.#upgrade ? !this.#reader.isDone : !this.#socket.writableNeedDrain;
  }

  #read(bytes: Buffer): void {
    let rest: Buffer | undefined = bytes;
    this.#isReading = true;
    while (rest && this.#mayRead) rest = this.#readOne(rest);
    this.#isReading = false;
    if (this.#upgrade && this.#reader.isDone) this.#handOver(this.#upgrade, rest);
    else if (rest && !this.#isEnding) this.#wait(rest);
  }

  #readOne(bytes: Buffer): Buffer | undefined {
    if (!this.#answer && this.#hasAnswered && !this.#reader.isInHead) this.#since = performance.now();
    try {
      const at = this.#reader.push(bytes);
      return at < bytes.length ? bytes.subarray(at) : undefined;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#refuse(error);
      return undefined;
    }
  }

  #wait(bytes: Buffer): void {
    this.#ahead = bytes;
    if (bytes.length >= maxAheadBytes) this.#socket.pause();
  }

  #goOn(): void {
    const ahead = this.#ahead;
    if (!ahead || this.#isReading || !this.#mayRead) return;
    this.#ahead = undefined;
    this.#socket.resume();
    this.#read(ahead);
  }

  #next(): void {
    clearTimeout(this.#grace);
    this.#answer = undefined;
    this.#body = undefined;
    this.#since = performance.now();
    this.#reader.next();
    this.#goOn();
  }

  /** The answer is out before the request is whole. */
  #discardBody(): void {
    this.#body?.destroy();
    this.#grace = setTimeout(() => this.cut(), graceMs).unref();
  }

  /** The last answer is out: the client has some time to read it. */
  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#ahead = undefined;
    this.#answer = undefined;
    this.#body?.destroy();
    this.#socket.end();
    this.#socket.resume();
    this.#grace = setTimeout(() => this.cut(), graceMs).unref();
  }

  #refuse(violation: Violation): void {
    if (this.#answer) {
      this.cut();
      return;
    }
    this.write(violation.answer);
    this.#end();
  }

  /** The connection is another protocol's from now on, or nobody's. */
  #handOver({ method, target, rawHeaders }: RequestHead, rest: Buffer = Buffer.alloc(0)): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('drain', this.#onDrain);
    socket.off('end', this.#onEnd).off('close', this.#onClose);
    // Nothing is lost until somebody listens: a socket that flows gives what it reads to nobody.
    Reflect.set(socket, 'readableFlowing', null);
    this.#owner.left(this);
    const answer = new Http1UpgradeAnswer(socket, rest);
    this.#owner.handlers.upgrade({ method, target, rawHeaders, peer: this.#peer, answer });
  }
}
