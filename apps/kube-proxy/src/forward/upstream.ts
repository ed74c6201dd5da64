import type { Duplex, Readable } from 'node:stream';
import type { AppError } from '@postern/core';
import type { Dispatcher } from 'undici';

/** Where requests go: an API server, an agent or a service of ours. How they get there is its own affair. */
export interface Upstream {
  /** Sends a request. The handler is told as by a dispatcher of undici, at any time after the call. */
  dispatch(request: SentRequest, handler: Dispatcher.DispatchHandler): void;
}

/** An upstream where a request may also switch to another protocol. */
export interface UpgradeUpstream extends Upstream {
  /** Asks to switch protocols. Exactly one of the events comes. What it returns gives the attempt up, or ends what was joined. */
  upgrade(request: UpstreamRequest, protocol: UpgradeProtocol, events: UpgradeEvents): { destroy(): void };
}

export type UpgradeProtocol = 'websocket' | 'SPDY/3.1';

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** How far a request came that failed: `nowhere` means that nobody can have acted on it. */
export type Arrival = 'nowhere' | 'unknown';

export interface UpgradeEvents {
  /** It switched to what was asked for. What the server sent behind its head is the first that the stream gives. */
  joined(headers: AnswerHeaders, stream: Duplex): void;
  /** It answered instead, with a final status. The body is to be read or destroyed. */
  refused(status: number, headers: AnswerHeaders, body: Readable): void;
  failed(error: AppError, arrival: Arrival): void;
}

/** A request rebuilt from attributes. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Name and value in turn; without Host and without framing. */
  readonly headers: string[];
  readonly isLongLived: boolean;
}

export interface SentRequest extends UpstreamRequest {
  readonly body: Readable | Buffer | null;
}
