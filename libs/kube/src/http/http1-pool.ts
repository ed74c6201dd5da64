import { Readable } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import type { Connector } from './connector.ts';
import { EndingDispatcher } from './ending-dispatcher.ts';
import { type ConnectionOwner, type Exchange, Http1Connection } from './http1-connection.ts';

const keepAliveMs = 60_000;
const sweepMs = 1000;
const defaultHeadersTimeoutMs = 75_000;
/** More to one server at once wait for each other; a server that answers nothing must not take all descriptors. */
const maxConnections = 2000;
const maxWaiting = 10_000;

/** HTTP/1.1 to one server: a request takes the connection that was idle last, or opens one. */
export class Http1Pool extends EndingDispatcher implements ConnectionOwner {
  readonly #connector: Connector;
  readonly #isLongLived: boolean;
  readonly #all = new Set<Http1Connection>();
  readonly #idle: Http1Connection[] = [];
  readonly #waiting: Exchange[] = [];
  #connecting = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: Error | undefined;

  /** `isLongLived`: the answers are streams that stay open. */
  constructor(connector: Connector, isLongLived: boolean) {
    super();
    this.#connector = connector;
    this.#isLongLived = isLongLived;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const exchange = exchangeOf(options, handler, this.#isLongLived);
    if (this.#closed) {
      handler.onResponseError?.(undefined as never, this.#closed);
      return true;
    }
    for (let free = this.#idle.pop(); free; free = this.#idle.pop()) {
      if (!free.isUsable) continue;
      free.send(exchange);
      return true;
    }
    this.#wait(exchange);
    return true;
  }

  idle(connection: Http1Connection): void {
    if (this.#closed) {
      connection.destroy(this.#closed);
      return;
    }
    const next = this.#waiting.shift();
    if (next) connection.send(next);
    else {
      connection.idleSince = performance.now();
      this.#idle.push(connection);
    }
  }

  closed(connection: Http1Connection): void {
    if (!this.#all.delete(connection)) return;
    this.#connectForWaiting();
    if (this.#all.size === 0) this.#stopTimer();
  }

  protected override end(error: Error): void {
    this.#closed = error;
    this.#stopTimer();
    for (const connection of this.#all) connection.destroy(error);
    for (const { handler } of this.#waiting.splice(0)) handler.onResponseError?.(undefined as never, error);
  }

  #wait(exchange: Exchange): void {
    if (this.#waiting.length >= maxWaiting) {
      exchange.handler.onResponseError?.(undefined as never, new errors.BalancedPoolMissingUpstreamError());
      return;
    }
    this.#waiting.push(exchange);
    this.#connect();
  }

  #adopt(connection: Http1Connection): void {
    this.#all.add(connection);
    this.#startTimer();
    this.idle(connection);
  }

  /** A connection that goes leaves behind who waited for it. */
  #connectForWaiting(): void {
    if (this.#waiting.length > this.#connecting) this.#connect();
  }

  #connect(): void {
    if (this.#all.size + this.#connecting >= maxConnections) return;
    this.#connecting += 1;
    void this.#open(new Http1Connection(this));
  }

  async #open(connection: Http1Connection): Promise<void> {
    try {
      connection.opened(await this.#connector.open(['http/1.1'], connection));
    } catch (error) {
      this.#connecting -= 1;
      // One attempt that failed is one request that is told; the others wait for theirs.
      this.#waiting.shift()?.handler.onResponseError?.(undefined as never, error as Error);
      return;
    }
    this.#connecting -= 1;
    if (connection.isUsable) this.#adopt(connection);
    else this.#connectForWaiting();
  }

  #startTimer(): void {
    this.#timer ??= setInterval(() => this.#sweep(performance.now()), sweepMs).unref();
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(now: number): void {
    while (this.#idle[0] && (!this.#idle[0].isUsable || this.#idle[0].idleSince + keepAliveMs < now))
      this.#idle.shift()!.destroy(new errors.SocketError('it was idle for too long'));
    if (!this.#isLongLived)
      for (const connection of this.#all) if (connection.isOverdue(now)) connection.timeOut();
  }
}

export function exchangeOf(
  { method, path, headers, body, headersTimeout }: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
  isLongLived: boolean,
): Exchange {
  return {
    method,
    path,
    headers: flatHeaders(headers),
    body: bodyOf(body),
    headersTimeoutMs: headersTimeout ?? (isLongLived ? 0 : defaultHeadersTimeoutMs),
    isLongLived,
    handler,
  };
}

function flatHeaders(headers: Dispatcher.DispatchOptions['headers']): readonly string[] {
  if (headers === undefined || headers === null) return [];
  if (!Array.isArray(headers) || typeof headers[0] === 'object')
    throw new errors.InvalidArgumentError('headers have to be names and values in turn');
  return headers;
}

function bodyOf(body: Dispatcher.DispatchOptions['body']): Readable | Buffer | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return Buffer.from(body);
  if (Buffer.isBuffer(body) || body instanceof Readable) return body;
  throw new errors.InvalidArgumentError('a body has to be text, bytes or a stream');
}
