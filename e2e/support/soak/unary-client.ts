import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { messageOf } from '@postern/core';
import type { Caller } from '../tunnels/load.ts';

/** One request. */
export interface UnaryRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly object?: object;
}

/** One whole answer. */
export interface UnaryAnswer {
  readonly status: number;
  readonly isToRetry: boolean;
  readonly requestId: string;
  readonly text: string;
}

/** No whole answer came. */
export class LostAnswer extends Error {
  override readonly name = 'LostAnswer';
  /** Whether the server can have seen the request. */
  readonly wasSent: boolean;
  /** Whether some of an answer was there. */
  readonly hadBegun: boolean;

  constructor(cause: unknown, { wasSent, hadBegun }: { wasSent: boolean; hadBegun: boolean }) {
    super(messageOf(cause), { cause });
    this.wasSent = wasSent;
    this.hadBegun = hadBegun;
  }
}

/** Sends requests over connections that it keeps. */
export interface UnaryClient extends Disposable {
  readonly protocol: string;
  /** Throws LostAnswer. */
  send(request: UnaryRequest): Promise<UnaryAnswer>;
}

const timeoutMs = 20_000;

function headersOf({ method, object }: UnaryRequest): Record<string, string> {
  if (object === undefined) return {};
  return { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' };
}

/** HTTP/1.1, one connection that is used again for as long as it is there. */
export function http1Client(origin: string, caller: Caller): UnaryClient {
  const agent = new Agent({
    ...caller,
    keepAlive: true,
    maxSockets: 1,
    checkServerIdentity: () => undefined,
  });
  const send = (asked: UnaryRequest) =>
    new Promise<UnaryAnswer>((resolve, reject) => {
      const state = { wasSent: false, hadBegun: false };
      const lost = (error: unknown) => reject(new LostAnswer(error, state));
      const body = asked.object === undefined ? undefined : JSON.stringify(asked.object);
      const headers = { ...headersOf(asked), ...(body ? { 'content-length': Buffer.byteLength(body) } : {}) };
      const sent = request(new URL(asked.path, origin), { agent, method: asked.method, headers });
      sent.setTimeout(timeoutMs, () => sent.destroy(new Error('no answer in time')));
      sent.once('socket', (socket) => {
        if (sent.reusedSocket) state.wasSent = true;
        else (socket as TLSSocket).once('secureConnect', () => (state.wasSent = true));
      });
      sent.once('error', lost);
      sent.once('response', (response) => {
        state.hadBegun = true;
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('error', lost);
        response.once('end', () =>
          resolve(answerOf(response.statusCode ?? 0, (name) => response.headers[name], text)),
        );
      });
      sent.end(body);
    });
  return { protocol: 'HTTP/1.1', send, [Symbol.dispose]: () => agent.destroy() };
}

/** HTTP/2, one connection for everything; another one when the server says that it leaves. */
export function http2Client(origin: string, caller: Caller): UnaryClient {
  let current: Session | undefined;
  return {
    protocol: 'HTTP/2',
    send: (asked) => {
      if (!current?.isUsable) current = new Session(origin, caller);
      return current.send(asked);
    },
    [Symbol.dispose]: () => current?.close(),
  };
}

class Session {
  readonly #session: ClientHttp2Session;
  #isLeaving = false;
  /** Streams with higher ids were never looked at (RFC 9113, section 6.8). */
  #lastSeen = Infinity;
  #isConnected = false;

  constructor(origin: string, caller: Caller) {
    this.#session = connect(origin, { ...caller, checkServerIdentity: () => undefined });
    this.#session.once('connect', () => (this.#isConnected = true));
    this.#session.on('goaway', (_code, lastStreamId) => {
      this.#isLeaving = true;
      this.#lastSeen = lastStreamId;
    });
    this.#session.on('error', () => (this.#isLeaving = true));
    this.#session.once('close', () => (this.#isLeaving = true));
  }

  get isUsable(): boolean {
    return !this.#isLeaving && !this.#session.closed && !this.#session.destroyed;
  }

  send(asked: UnaryRequest): Promise<UnaryAnswer> {
    return new Promise((resolve, reject) => {
      let hadBegun = false;
      const { method, path, object } = asked;
      let stream: ClientHttp2Stream;
      try {
        stream = this.#session.request({ ':method': method, ':path': path, ...headersOf(asked) });
      } catch (error) {
        reject(new LostAnswer(error, { wasSent: false, hadBegun }));
        return;
      }
      stream.setTimeout(timeoutMs, () => stream.destroy(new Error('no answer in time')));
      let status = 0;
      let text = '';
      let header: (name: string) => string | string[] | undefined = () => undefined;
      stream.once('response', (headers) => {
        hadBegun = true;
        status = Number(headers[':status']);
        header = (name) => headers[name];
      });
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      let failed: unknown;
      stream.once('error', (error) => (failed = error));
      stream.once('close', () => {
        if (failed === undefined && hadBegun && stream.readableEnded) resolve(answerOf(status, header, text));
        else
          reject(new LostAnswer(failed ?? 'the stream closed', { wasSent: this.#wasSent(stream), hadBegun }));
      });
      stream.end(object === undefined ? undefined : JSON.stringify(object));
    });
  }

  close(): void {
    this.#session.destroy();
  }

  #wasSent({ id, rstCode }: ClientHttp2Stream): boolean {
    const refusedStream = 7;
    return this.#isConnected && id !== undefined && id <= this.#lastSeen && rstCode !== refusedStream;
  }
}

function answerOf(
  status: number,
  header: (name: string) => string | string[] | undefined,
  text: string,
): UnaryAnswer {
  const isToRetry = header('retry-after') !== undefined;
  return { status, isToRetry, requestId: String(header('postern-request-id') ?? ''), text };
}
