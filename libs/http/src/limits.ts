/** What a listener takes before it refuses. All times in milliseconds, all sizes in bytes. */
export interface HttpLimits {
  readonly bodyBytes: number;
  readonly headerBytes: number;
  readonly headerCount: number;
  /** From the connection, or the end of the last request, to the end of the next header. */
  readonly headersMs: number;
  /** From the first byte of a request to its last. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly connections: number;
  /** How long `close` waits for requests that are being answered. */
  readonly drainMs: number;
  /** How often the times above are checked. */
  readonly checkEveryMs: number;
}

/** Limits of a service behind the edge. */
export const defaultLimits: HttpLimits = {
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  headerCount: 100,
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 75_000,
  connections: 10_000,
  drainMs: 10_000,
  checkEveryMs: 1_000,
};
