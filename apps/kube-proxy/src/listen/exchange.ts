import type { ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import type { Peer } from './peer.ts';

/** One request and the way to answer it, over HTTP/1.1 or HTTP/2 alike. */
export interface Exchange {
  readonly method: string;
  /** The request target as it came. */
  readonly target: string;
  /** Name and value in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly hasBody: boolean;
  readonly body: Readable;
  readonly peer: Peer;
  readonly answer: Answer;
}

/** What the body of an answer is written to: a stream of Node, or as much of one as is needed. */
export interface Sink {
  /** Nobody takes anything any more. */
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  /** False asks the writer to wait for `drain`. */
  write(chunk: Buffer): boolean;
  end(last?: Buffer | string): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
}

/** The answer to one request. `begin` comes first and once; `abort` tells the client that what it got is not all. */
export interface Answer {
  readonly sink: Sink;
  /** Status sent, or 0. */
  readonly status: number;
  /** Headers of our own that go with the answer, whoever begins it; name and value in turn. */
  extra: readonly string[];
  /** `headers` are name and value in turn, names in lower case. */
  begin(status: number, headers: readonly string[]): void;
  abort(): void;
}

/** Whether the listener is about to close. */
export interface Leaving {
  isLeaving: boolean;
}

/** `rawHeaders` include the pseudo-headers, which nghttp2 has checked to be there once. */
export function http2Exchange(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  peer: Peer,
): Exchange {
  let method = '';
  let target = '';
  let first = 0;
  for (; rawHeaders[first]?.startsWith(':'); first += 2) {
    if (rawHeaders[first] === ':method') method = rawHeaders[first + 1]!;
    else if (rawHeaders[first] === ':path') target = rawHeaders[first + 1]!;
  }
  return {
    method,
    target,
    rawHeaders: rawHeaders.slice(first),
    hasBody: !stream.endAfterHeaders,
    body: stream,
    peer,
    answer: new Http2Answer(stream),
  };
}

const cancel = 8;

class Http2Answer implements Answer {
  readonly sink: ServerHttp2Stream;
  status = 0;
  extra: readonly string[] = [];

  constructor(stream: ServerHttp2Stream) {
    this.sink = stream;
  }

  begin(status: number, headers: readonly string[]): void {
    this.status = status;
    if (this.sink.destroyed || this.sink.closed) return;
    const block: Record<string, string | string[] | number> = { ':status': status };
    for (let at = 0; at < headers.length; at += 2) addHeader(block, headers[at]!, headers[at + 1]!);
    for (let at = 0; at < this.extra.length; at += 2) block[this.extra[at]!] = this.extra[at + 1]!;
    this.sink.respond(block);
  }

  abort(): void {
    this.sink.close(cancel);
    this.sink.destroy();
  }
}

function addHeader(block: Record<string, string | string[] | number>, name: string, value: string): void {
  const before = block[name];
  if (before === undefined) block[name] = value;
  else block[name] = [before, value].flat() as string[];
}

/** Whether a request head speaks of a body. */
export function declaresBody(raw: readonly string[]): boolean {
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!;
    if (name.length === 14 && name.toLowerCase() === 'content-length') return raw[at + 1] !== '0';
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return true;
  }
  return false;
}
