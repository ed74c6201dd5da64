import type { ConnectionOptions } from 'node:tls';
import type { Dispatcher } from 'undici';

/** A server to forward to: an API server, an agent or a service of ours. */
export interface Upstream {
  /** `https://host:port`. */
  readonly origin: string;
  readonly host: string;
  /** Path prefix, without a trailing slash. */
  readonly basePath: string;
  readonly requests: Dispatcher;
  readonly streams: Dispatcher;
  readonly tls: ConnectionOptions;
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
