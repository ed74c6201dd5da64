import type { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type Dispatcher, errors } from 'undici';
import { type AnswerEvents, type AnswerHeaders, AnswerReader } from './answer-reader.ts';
import { nothingToSend, type SendingBody, sendBody } from './request-body.ts';
import { formatHead, headerOf } from './request-head.ts';

/** One request and whom to tell of its answer. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Readable | Buffer | null;
  /** Milliseconds until the answer has to begin; 0 for no limit. */
  readonly headersTimeoutMs: number;
  /** Whether the answer stays open for long and says little: its reads share one buffer. */
  readonly isLongLived: boolean;
  readonly handler: Dispatcher.DispatchHandler;
}

/** Told when a connection can take the next request, and when it is gone. */
export interface ConnectionOwner {
  idle(connection: Http1Connection): void;
  closed(connection: Http1Connection): void;
}

const readBytes = 16_384;
/** What is read into before anybody knows what it is. It is copied or done with before the next read. */
const shared = Buffer.allocUnsafeSlow(readBytes);

/** One connection to a server, with one request at a time. After anything out of order it is not used again. */
export class Http1Connection implements AnswerEvents {
  readonly #owner: ConnectionOwner;
  readonly #reader = new AnswerReader(this);
  #socket: TLSSocket | undefined;
  #current: Flight | undefined;
  #ownsBuffer = false;
  #isGone = false;
  /** Whether a request has been answered on it: only then can it have gone stale in between. */
  idleSince = 0;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
  }

  /** Options that make a socket of `tls.connect` read for this connection. */
  get onread(): { buffer: () => Buffer; callback: (bytes: number, buffer: Uint8Array) => boolean } {
    return {
      buffer: () => this.#nextBuffer(),
      callback: (count, buffer) => this.#read(buffer as Buffer, count),
    };
  }

  /** Takes the socket when its handshake is done. */
  opened(socket: TLSSocket): void {
    this.#socket = socket;
    if (this.#isGone) socket.destroy();
    socket.on('error', (error) => this.#fail(error));
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#fail(new errors.SocketError('the server closed the connection')));
  }

  get isUsable(): boolean {
    return !this.#isGone && this.#current === undefined && this.#socket?.destroyed === false;
  }

  /** Sends a request. The connection must be usable. */
  send(exchange: Exchange): void {
    const socket = this.#socket!;
    const flight = new Flight(this, exchange);
    this.#current = flight;
    flight.guard(() => exchange.handler.onRequestStart?.(flight, undefined));
    if (this.#current !== flight) return;
    this.#reader.expect(exchange.method);
    flight.guard(() => {
      flight.body = writeRequest(socket, exchange, {
        sent: () => undefined,
        failed: (error) => this.#fail(error),
      });
    });
  }

  /** Whether the answer should have begun by now (milliseconds of `performance.now`). */
  isOverdue(now: number): boolean {
    const { deadline } = this.#current ?? { deadline: 0 };
    return deadline !== 0 && deadline < now;
  }

  timeOut(): void {
    this.#fail(new errors.HeadersTimeoutError());
  }

  /** Ends the connection; a request under way on it fails with the error. */
  destroy(error: Error): void {
    this.#fail(error);
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  head(status: number, headers: AnswerHeaders): void {
    const flight = this.#current!;
    flight.deadline = 0;
    flight.handler.onResponseStart?.(flight, status, headers, undefined);
  }

  data(chunk: Buffer): void {
    const flight = this.#current;
    if (!flight) return;
    flight.handler.onResponseData?.(flight, this.#ownsBuffer ? chunk : Buffer.from(chunk));
  }

  end(isReusable: boolean): void {
    const flight = this.#current;
    if (!flight) return;
    this.#current = undefined;
    // A server that answers before it has read the request may read the rest of it as another.
    const isInOrder = isReusable && flight.body.isSent && !this.#socket!.destroyed;
    flight.body.stop();
    if (!isInOrder) this.#socket!.destroy();
    flight.handler.onResponseEnd?.(flight, {});
    if (isInOrder) queueMicrotask(() => this.#release());
  }

  /** Only after the read that ended the answer is over: what else was in it makes the connection unusable. */
  #release(): void {
    if (!this.isUsable) return;
    // Whoever paused an answer that ended meanwhile does not resume it.
    this.#socket!.resume();
    this.#owner.idle(this);
  }

  #nextBuffer(): Buffer {
    const { exchange } = this.#current ?? {};
    this.#ownsBuffer = exchange !== undefined && !exchange.isLongLived && this.#reader.isInBody;
    return this.#ownsBuffer ? Buffer.allocUnsafeSlow(readBytes) : shared;
  }

  #read(buffer: Buffer, count: number): boolean {
    try {
      this.#reader.push(buffer.subarray(0, count));
    } catch (error) {
      this.#fail(error as Error);
    }
    return true;
  }

  #ended(): void {
    if (this.#current && this.#reader.finish()) return;
    this.#fail(new errors.SocketError('the server closed the connection'));
  }

  #fail(error: Error): void {
    const flight = this.#current;
    this.#current = undefined;
    this.#isGone = true;
    this.#socket?.destroy();
    this.#owner.closed(this);
    if (!flight) return;
    flight.body.stop();
    flight.handler.onResponseError?.(flight, error);
  }
}

/** A request under way, as its handler controls it. */
class Flight implements Dispatcher.DispatchController {
  readonly exchange: Exchange;
  readonly #connection: Http1Connection;
  body: SendingBody = nothingToSend;
  deadline: number;
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders = null;
  rawTrailers = null;

  constructor(connection: Http1Connection, exchange: Exchange) {
    this.#connection = connection;
    this.exchange = exchange;
    this.deadline = exchange.headersTimeoutMs === 0 ? 0 : performance.now() + exchange.headersTimeoutMs;
  }

  get handler(): Dispatcher.DispatchHandler {
    return this.exchange.handler;
  }

  guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#connection.destroy(error as Error);
    }
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#connection.destroy(reason);
  }

  pause(): void {
    this.paused = true;
    this.#connection.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#connection.resume();
  }
}

function writeRequest(
  socket: TLSSocket,
  exchange: Exchange,
  events: { sent(): void; failed(error: Error): void },
): SendingBody {
  const { headers, body } = exchange;
  const head = formatHead(exchange);
  const declared = headerOf(headers, 'content-length');
  if (body === null) {
    // A request that says it has a body and sends none would swallow the next one.
    if (declared !== undefined && declared !== '0') throw new errors.RequestContentLengthMismatchError();
    socket.write(`${head}\r\n`, 'latin1');
    return nothingToSend;
  }
  if (Buffer.isBuffer(body)) {
    if (declared !== undefined && Number(declared) !== body.length)
      throw new errors.RequestContentLengthMismatchError();
    socket.cork();
    socket.write(
      declared === undefined ? `${head}content-length: ${body.length}\r\n\r\n` : `${head}\r\n`,
      'latin1',
    );
    socket.write(body);
    socket.uncork();
    return nothingToSend;
  }
  socket.write(
    declared === undefined ? `${head}transfer-encoding: chunked\r\n\r\n` : `${head}\r\n`,
    'latin1',
  );
  return sendBody(socket, body, declared === undefined ? undefined : Number(declared), events);
}
