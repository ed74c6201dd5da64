import { PassThrough, type Readable } from 'node:stream';
import { type AppError, messageOf, toAppError } from '@postern/core';
import { statusOf } from '@postern/kube';
import type { Dispatcher } from 'undici';
import type { Answer } from '../listen/exchange.ts';
import {
  BadGateway,
  ClientLeft,
  OutcomeUnknown,
  SendAgain,
  UpstreamTimeout,
  UpstreamUnreachable,
} from './answers.ts';
import type { BodyFilter } from '../filter/body-filter.ts';
import { responseHeaders } from './response-headers.ts';
import type { Traffic } from './traffic.ts';
import type { AnswerHeaders, Upstream, UpstreamRequest } from './upstream.ts';
import { WayBroke } from './way-broke.ts';

/** One request to forward, and what is told about it. */
export interface Forward extends Attempt {
  readonly body: Readable | Buffer | undefined;
  readonly answer: Answer;
  /** Gives the filter for an answer, or undefined to pass it untouched. Throws to refuse the answer. */
  readonly filter?: ((status: number, headers: AnswerHeaders) => BodyFilter | undefined) | undefined;
  /** AnswerHeaders for the client; the default is the allowlist for API servers. */
  readonly responseHeaders?: ((headers: AnswerHeaders) => string[]) | undefined;
  /** Where to try again, when nothing of the request has reached this upstream or it may be sent twice. */
  readonly retry?: ((error: Error) => Attempt | undefined) | undefined;
  /** Whether the answer is a watch: when cut between two events it ends with an ERROR event, which clients understand. */
  readonly endsWithEvent?: boolean | undefined;
  /** Where what passes is counted. */
  readonly traffic?: Traffic | undefined;
  /** Told once, when the answer begins. */
  readonly begun?: ((status: number, headers: AnswerHeaders) => void) | undefined;
  /** Told once, when all is over. The error is what the client should be told if `answer.status` is still 0. */
  readonly done: (error: AppError | undefined) => void;
}

/** One upstream and the request as it is sent there. */
export interface Attempt {
  readonly upstream: Upstream;
  readonly request: UpstreamRequest;
}

const newline = 0x0a;

/** Starts forwarding a request. What it returns ends it early. */
export function forward(options: Forward): { cut(error: AppError): void } {
  const flight = new Flight(options);
  // Nobody is told any more that such a client has left, and what is written for it would wait for ever.
  if (options.answer.sink.destroyed) flight.cut(ClientLeft());
  else flight.start(options);
  return flight;
}

class Flight implements Dispatcher.DispatchHandler {
  readonly #options: Forward;
  readonly #isIdempotent: boolean;
  #controller: Dispatcher.DispatchController | undefined;
  #filter: BodyFilter | undefined;
  #isDone = false;
  #isFlowing = false;
  #isWaiting = false;
  #cause: AppError | undefined;
  #attempts = 0;
  /** Whether the answer is a JSON watch, and whether its last byte so far ended an event. */
  #isEvents = false;
  #isAtEvent = false;

  constructor(options: Forward) {
    this.#options = options;
    const { request, body, answer } = options;
    this.#isIdempotent = !isStream(body) && (request.method === 'GET' || request.method === 'HEAD');
    answer.sink.once('close', () => this.#clientClosed());
  }

  start({ upstream, request }: Attempt): void {
    const { body, traffic } = this.#options;
    this.#attempts += 1;
    const sent = body === undefined ? null : Buffer.isBuffer(body) ? body : detached(body, traffic);
    if (traffic && Buffer.isBuffer(body)) traffic.bytesIn = body.length;
    upstream.dispatch({ ...request, body: sent }, this);
  }

  /** Ends the request on our side, and the answer so that the client knows that it was cut. */
  cut(error: AppError): void {
    if (this.#isDone) return;
    this.#cause = error;
    const { answer } = this.#options;
    this.#isDone = true;
    this.#controller?.abort(error);
    if (this.#isAtEvent) answer.sink.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`);
    else if (answer.status !== 0) answer.abort();
    this.#options.done(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isDone) controller.abort(this.#cause ?? ClientLeft());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (status < 200 && status !== 101) return;
    if (status === 101) throw BadGateway('it switched protocols unasked');
    if (status >= 300 && status < 400 && status !== 304) throw BadGateway('it redirected');
    const { answer, filter, begun } = this.#options;
    if (this.#isDone) return;
    this.#isFlowing = true;
    this.#filter = filter?.(status, headers);
    const passed = (this.#options.responseHeaders ?? responseHeaders)(headers);
    const length = headers['content-length'];
    if (!this.#filter && typeof length === 'string') passed.push('content-length', length);
    this.#isEvents = this.#options.endsWithEvent === true && status === 200 && isPlainJson(headers);
    this.#isAtEvent = this.#isEvents;
    answer.begin(status, passed);
    begun?.(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const kept = this.#filter ? this.#filter.push(chunk) : chunk;
    if (!kept) return;
    if (this.#isEvents) this.#isAtEvent = kept[kept.length - 1] === newline;
    this.#count(kept);
    if (!this.#options.answer.sink.write(kept)) this.#waitToWrite(controller);
  }

  #waitToWrite(controller: Dispatcher.DispatchController): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    controller.pause();
    this.#options.answer.sink.once('drain', () => {
      this.#isWaiting = false;
      controller.resume();
    });
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    const rest = this.#filter?.end();
    const { sink } = this.#options.answer;
    if (rest) {
      this.#count(rest);
      sink.end(rest);
    } else sink.end();
    this.#finish(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isDone) return;
    const isUnsent =
      this.#controller === undefined || (error instanceof WayBroke && error.arrival === 'nowhere');
    const next = this.#mayTryAgain(error, isUnsent) ? this.#options.retry?.(error) : undefined;
    if (next) {
      this.#controller = undefined;
      this.start(next);
    } else this.#finish(translate(error, isUnsent || this.#isIdempotent));
  }

  /** Nothing was sent, or what was sent may be sent twice. The body of a request that was begun is gone. */
  #mayTryAgain(error: Error, isUnsent: boolean): boolean {
    if (this.#isFlowing || this.#attempts > 4 || error.name === 'AppError') return false;
    if ((error as NodeJS.ErrnoException).code === 'UND_ERR_HEADERS_TIMEOUT') return false;
    return isUnsent ? !isStream(this.#options.body) || this.#isUnread() : this.#isIdempotent;
  }

  #count(sent: Buffer): void {
    const { traffic } = this.#options;
    if (traffic) traffic.bytesOut += sent.length;
  }

  #isUnread(): boolean {
    const { body } = this.#options;
    return body !== undefined && !Buffer.isBuffer(body) && !body.destroyed && !body.readableDidRead;
  }

  #clientClosed(): void {
    // An HTTP/2 stream that the client reset says of itself that it was written to its end.
    if (this.#isDone) return;
    const error = ClientLeft();
    this.#cause = error;
    // An upstream may tell of the abort before it comes back, and this must end once.
    this.#isDone = true;
    this.#controller?.abort(error);
    this.#finish(error);
  }

  #finish(error: AppError | undefined): void {
    this.#isDone = true;
    const { answer, done } = this.#options;
    if (error && answer.status !== 0) answer.abort();
    done(error);
  }
}

function isPlainJson(headers: AnswerHeaders): boolean {
  const type = headers['content-type'];
  return (
    headers['content-encoding'] === undefined &&
    typeof type === 'string' &&
    type.startsWith('application/json')
  );
}

function isStream(body: Readable | Buffer | undefined): boolean {
  return body !== undefined && !Buffer.isBuffer(body);
}

/**
 * The body behind a stream of its own: undici destroys the stream it is given when the answer comes early, and the
 * client's connection would go with it before the answer is out.
 */
function detached(body: Readable, traffic: Traffic | undefined): Readable {
  const copy = new PassThrough();
  body.pipe(copy);
  const count = (chunk: Buffer) => {
    if (traffic) traffic.bytesIn += chunk.length;
  };
  body.on('data', count);
  body.once('error', (error) => copy.destroy(error));
  body.once('close', () => {
    if (!body.readableEnded) copy.destroy(ClientLeft());
  });
  copy.once('close', () => body.unpipe(copy).off('data', count));
  copy.on('error', () => undefined);
  return copy;
}

/** `isSafe`: asking again cannot do anything twice. */
function translate(error: Error, isSafe: boolean): AppError {
  if (error.name === 'AppError') return toAppError(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return UpstreamTimeout.from(error);
  if (code?.startsWith('HPE_')) return BadGateway.from(error, 'it is not HTTP');
  if (!isSafe) return OutcomeUnknown.from(error);
  if (error instanceof WayBroke) return SendAgain.from(error);
  return UpstreamUnreachable.from(error, messageOf(error).slice(0, 200));
}
