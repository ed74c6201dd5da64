import type { Readable } from 'node:stream';
import { AppError, toAppError } from '@postern/core';
import {
  type AnswerHead,
  ProtocolBroken,
  TooManyStreams,
  type StreamEvents,
  type Tunnel,
  type TunnelStream,
} from '@postern/tunnel';
import type { Dispatcher } from 'undici';
import { ClientLeft } from '../../forward/answers.ts';
import { notServedHeader } from '../../listen/refuse.ts';
import type { AnswerHeaders, Arrival, SentRequest } from '../../forward/upstream.ts';
import { WayBroke } from '../../forward/way-broke.ts';

/** What is told about a call beside its handler. */
export interface CallWatch {
  /** Something came from the other end. */
  heard(): void;
  /** It is answered, or over: nothing is waited for any more. */
  settled(call: TunnelCall): void;
}

/** One request over a tunnel, told to its handler as a dispatcher of undici would. */
export class TunnelCall implements StreamEvents, Dispatcher.DispatchController {
  readonly startedAt: number;
  readonly isIdempotent: boolean;
  readonly isLongLived: boolean;
  aborted = false;
  paused = false;
  reason: Error | null = null;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #watch: CallWatch;
  readonly #body: Readable | undefined;
  #stream: TunnelStream | undefined;
  #isOver = false;

  constructor(
    { method, body, isLongLived }: SentRequest,
    handler: Dispatcher.DispatchHandler,
    watch: CallWatch & { readonly now: number },
  ) {
    this.#handler = handler;
    this.#watch = watch;
    this.#body = body === null || Buffer.isBuffer(body) ? undefined : body;
    this.startedAt = watch.now;
    this.isLongLived = isLongLived;
    this.isIdempotent = this.#body === undefined && (method === 'GET' || method === 'HEAD');
  }

  /** Sends the request. Throws when the tunnel takes nothing; then nothing was sent. */
  send(tunnel: Tunnel, to: string | undefined, { method, path, headers, body }: SentRequest): void {
    const head = body === null || hasLength(headers) ? headers : [...headers, ...framingOf(body)];
    const stream = tunnel.open({ method, path, headers: head, ...(to === undefined ? {} : { to }) }, this);
    this.#stream = stream;
    this.#handler.onRequestStart?.(this, undefined);
    if (this.#isOver) return;
    if (this.#body) this.#sendBody(this.#body, stream);
    else if (body === null) stream.end();
    else stream.end(body as Buffer);
  }

  abort(reason: Error): void {
    this.aborted = true;
    this.reason = reason;
    if (this.#finish()) this.#stream?.reset(reason instanceof AppError ? reason : ClientLeft.from(reason));
  }

  pause(): void {
    this.paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.paused = false;
    this.#stream?.resume();
  }

  answer({ status, headers }: AnswerHead): void {
    if (this.#isOver) return;
    this.#watch.heard();
    this.#watch.settled(this);
    if (isNotServed(headers))
      return this.lose(new WayBroke('the agent does not serve the cluster', 'nowhere'));
    this.#guarded(() => this.#handler.onResponseStart?.(this, status, recordOf(headers)));
  }

  data(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#watch.heard();
    this.#guarded(() => this.#handler.onResponseData?.(this, chunk));
  }

  end(): void {
    if (!this.#finish()) return;
    // An answer may come before all of the body was sent; nobody reads the rest.
    if (this.#body && !this.#body.readableEnded) this.#stream?.reset(ClientLeft());
    this.#handler.onResponseEnd?.(this, {});
  }

  reset(error: AppError): void {
    this.#watch.heard();
    this.lose(isOfTunnel(error) ? new WayBroke(error.message, arrivalOf(error), { cause: error }) : error);
  }

  drain(): void {
    this.#body?.resume();
  }

  /** Ends the call with an error that is not the agent's answer. */
  lose(error: Error): void {
    if (!this.#finish()) return;
    this.#stream?.reset(toAppError(error));
    this.#handler.onResponseError?.(this, error);
  }

  #sendBody(body: Readable, stream: TunnelStream): void {
    body.on('data', (chunk: Buffer) => {
      if (!stream.write(chunk)) body.pause();
    });
    body.once('end', () => stream.end());
    body.once('error', (error) => this.lose(error));
  }

  /** A handler refuses an answer by throwing. */
  #guarded(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.lose(error as Error);
    }
  }

  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#watch.settled(this);
    this.#body?.destroy();
    return true;
  }
}

/** Errors of the tunnel itself, and not of who answers through it. */
function isOfTunnel({ code }: AppError): boolean {
  return (code.startsWith('tunnel.') && code !== ProtocolBroken.code) || code === notHere;
}

const notHere = 'edge.agent_not_here';

/** How far a request came whose stream was reset. Some resets say that it was never looked at. */
export function arrivalOf({ code }: AppError): Arrival {
  return code === notHere || code === TooManyStreams.code ? 'nowhere' : 'unknown';
}

/**
 * An agent that has just started is reached before it serves anything, and is believed by what it said in its last life. What is
 * behind an agent cannot say this: the agent passes on no header that it does not know.
 */
export function isNotServed(headers: readonly string[]): boolean {
  return headers.some((text, at) => at % 2 === 0 && text === notServedHeader);
}

/** A head that says nothing of a body has none, at the other end. */
function framingOf(body: Buffer | Readable): readonly string[] {
  return Buffer.isBuffer(body) ? ['content-length', String(body.length)] : ['transfer-encoding', 'chunked'];
}

function hasLength(headers: readonly string[]): boolean {
  return headers.some((text, at) => at % 2 === 0 && text === 'content-length');
}

/** Headers as undici tells them. */
export function recordOf(headers: readonly string[]): AnswerHeaders {
  const record: Record<string, string | string[]> = Object.create(null);
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase();
    const before = record[name];
    const value = headers[at + 1]!;
    record[name] = before === undefined ? value : [before, value].flat();
  }
  return record;
}
