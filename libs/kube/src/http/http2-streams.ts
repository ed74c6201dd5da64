import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { type Dispatcher, errors } from 'undici';
import type { Connector } from './connector.ts';
import { type Exchange } from './http1-connection.ts';
import { EndingDispatcher } from './ending-dispatcher.ts';
import { exchangeOf, Http1Pool } from './http1-pool.ts';

/** API servers allow 100 (or 250) streams on a connection; a connection that is lost takes all of its streams along. */
const maxStreamsPerSession = 100;
const streamWindowBytes = 262_144;
const pingMs = 20_000;
const pongMs = 10_000;
/** How long a server that chose HTTP/1.1 is not asked for HTTP/2. */
const http1ForMs = 300_000;

/**
 * Requests whose answers stay open, over shared HTTP/2 connections: an idle watch with a TLS connection of its own costs
 * several times what it costs as one of a hundred streams. A server that does not speak HTTP/2 gets HTTP/1.1.
 */
export class Http2Streams extends EndingDispatcher {
  readonly #connector: Connector;
  readonly #origin: string;
  readonly #http1: Http1Pool;
  readonly #sessions = new Set<Session>();
  readonly #waiting: Exchange[] = [];
  #isConnecting = false;
  #http1Until = 0;
  #closed: Error | undefined;

  constructor(connector: Connector, origin: string) {
    super();
    this.#connector = connector;
    this.#origin = origin;
    this.#http1 = new Http1Pool(connector, true);
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (performance.now() < this.#http1Until) return this.#http1.dispatch(options, handler);
    const exchange = exchangeOf(options, handler, true);
    if (this.#closed) {
      handler.onResponseError?.(undefined as never, this.#closed);
      return true;
    }
    const session = this.#free();
    if (session) session.send(exchange);
    else {
      this.#waiting.push(exchange);
      void this.#connect();
    }
    return true;
  }

  protected override end(error: Error): void {
    this.#closed = error;
    for (const session of this.#sessions) session.destroy(error);
    this.#failWaiting(error);
    void this.#http1.destroy(error);
  }

  #free(): Session | undefined {
    for (const session of this.#sessions) if (session.hasRoom) return session;
    return undefined;
  }

  async #connect(): Promise<void> {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    try {
      const socket = await this.#connector.open(['h2', 'http/1.1']);
      if (socket.alpnProtocol === 'h2') this.#opened(socket);
      else this.#fallBack(socket);
    } catch (error) {
      this.#failWaiting(error as Error);
    } finally {
      this.#isConnecting = false;
    }
    if (this.#waiting.length > 0) void this.#connect();
  }

  #opened(socket: TLSSocket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const session = new Session(this.#origin, socket, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    while (session.hasRoom && this.#waiting.length > 0) session.send(this.#waiting.shift()!);
  }

  #fallBack(socket: TLSSocket): void {
    socket.destroy();
    this.#http1Until = performance.now() + http1ForMs;
    for (const { handler, headersTimeoutMs, ...rest } of this.#waiting.splice(0))
      this.#http1.dispatch(
        { ...rest, headers: [...rest.headers], headersTimeout: headersTimeoutMs },
        handler,
      );
  }

  #failWaiting(error: Error): void {
    for (const { handler } of this.#waiting.splice(0)) handler.onResponseError?.(undefined as never, error);
  }
}

/** One HTTP/2 connection. It takes no more streams once the server said so, and ends when the last one has ended. */
class Session {
  readonly #session: ClientHttp2Session;
  #open = 0;
  #isLeaving = false;
  readonly #pinger: NodeJS.Timeout;

  constructor(origin: string, socket: TLSSocket, closed: () => void) {
    this.#session = connect(origin, {
      createConnection: () => socket,
      maxSessionMemory: 64,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes, maxHeaderListSize: 65_536 },
    });
    // What one reader leaves unread must not stop the others: room for every stream's window.
    this.#session.once('connect', () =>
      this.#session.setLocalWindowSize(streamWindowBytes * maxStreamsPerSession),
    );
    this.#session.on('goaway', () => this.#leave());
    this.#session.on('error', () => undefined);
    this.#session.once('close', () => {
      clearInterval(this.#pinger);
      this.#isLeaving = true;
      closed();
    });
    this.#pinger = setInterval(() => this.#ping(), pingMs).unref();
  }

  get hasRoom(): boolean {
    if (this.#isLeaving || this.#session.destroyed || this.#session.closed) return false;
    const { maxConcurrentStreams = maxStreamsPerSession } = this.#session.remoteSettings ?? {};
    return this.#open < Math.min(maxConcurrentStreams, maxStreamsPerSession);
  }

  send(exchange: Exchange): void {
    this.#open += 1;
    new StreamFlight(this.#session, exchange, () => {
      this.#open -= 1;
      if (this.#open === 0 && this.#isLeaving) this.#session.close();
    }).start();
  }

  destroy(error: Error): void {
    this.#session.destroy(error);
  }

  #leave(): void {
    this.#isLeaving = true;
    if (this.#open === 0) this.#session.close();
  }

  /** A connection that is half open tells nothing; a ping without an answer does. */
  #ping(): void {
    if (this.#session.destroyed) return;
    const timer = setTimeout(
      () => this.#session.destroy(new errors.SocketError('the server does not answer pings')),
      pongMs,
    ).unref();
    if (!this.#session.ping(() => clearTimeout(timer))) clearTimeout(timer);
  }
}

/** One request on a session, as its handler controls it. */
class StreamFlight implements Dispatcher.DispatchController {
  readonly #session: ClientHttp2Session;
  readonly #exchange: Exchange;
  readonly #ended: () => void;
  #stream: ClientHttp2Stream | undefined;
  #isDone = false;
  #hasAnswered = false;
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders = null;
  rawTrailers = null;

  constructor(session: ClientHttp2Session, exchange: Exchange, ended: () => void) {
    this.#session = session;
    this.#exchange = exchange;
    this.#ended = ended;
  }

  start(): void {
    try {
      this.#exchange.handler.onRequestStart?.(this, undefined);
      if (!this.#isDone) this.#request();
    } catch (error) {
      this.#finish(error as Error);
    }
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#finish(reason);
  }

  pause(): void {
    this.paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#stream?.resume();
  }

  #request(): void {
    const { method, path, headers, body, handler } = this.#exchange;
    const stream = this.#session.request(
      { ...pseudoHeaders(headers), ':method': method, ':path': path },
      { endStream: body === null },
    );
    this.#stream = stream;
    stream.on('error', (error) => this.#finish(error));
    stream.on('close', () => this.#finish(new errors.SocketError('the server closed the stream')));
    stream.on('response', ({ ':status': status, ...rest }) =>
      this.#guard(() => {
        this.#hasAnswered = true;
        handler.onResponseStart?.(this, status ?? 0, rest);
      }),
    );
    stream.on('data', (chunk: Buffer) => this.#guard(() => handler.onResponseData?.(this, chunk)));
    stream.on('end', () => this.#guard(() => this.#end()));
    if (Buffer.isBuffer(body)) stream.end(body);
    else body?.pipe(stream);
  }

  #end(): void {
    if (this.#isDone) return;
    if (!this.#hasAnswered || this.#stream!.rstCode !== constants.NGHTTP2_NO_ERROR)
      throw new errors.SocketError('the server reset the stream');
    this.#isDone = true;
    this.#ended();
    this.#exchange.handler.onResponseEnd?.(this, {});
  }

  #guard(act: () => void): void {
    if (this.#isDone) return;
    try {
      act();
    } catch (error) {
      this.#finish(error as Error);
    }
  }

  #finish(error: Error): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    this.#ended();
    this.#exchange.handler.onResponseError?.(this, error);
  }
}

/** HTTP/2 says the host in `:authority`; a name that comes several times has a list of values. */
function pseudoHeaders(flat: readonly string[]): Record<string, string | string[]> {
  const headers = Object.create(null) as Record<string, string | string[]>;
  headers[':scheme'] = 'https';
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at]!.toLowerCase();
    const value = flat[at + 1]!;
    const key = name === 'host' ? ':authority' : name;
    const before = headers[key];
    if (before === undefined) headers[key] = value;
    else headers[key] = [before, value].flat();
  }
  return headers;
}
