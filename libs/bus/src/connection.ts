import { jetstream, type JetStreamClient, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import {
  type Authenticator,
  headers as newHeaders,
  type MsgHdrs,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { delay, messageOf } from '@postern/core';
import { currentTraceparent, type Telemetry } from '@postern/telemetry';
import type { buildConnector } from 'undici';
import { dial } from './dial.ts';
import { BusUnavailable, translateError } from './failures.ts';
import { readSeed } from './nkeys.ts';

/** A bus user: the seed of its key, and the JWT that says what it may do. */
export interface BusCredentials {
  readonly seed: string;
  readonly jwt: string;
}

/** How to connect. */
export interface BusOptions {
  readonly servers: string | readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** Asked at each connect, so that renewed credentials are used. Absent for a server that wants none. */
  readonly creds?: BusCredentials | (() => BusCredentials);
  readonly inboxPrefix?: string;
  /** PEM of the authority of the server's certificate, where it is a private one. */
  readonly ca?: string;
  /** How connections for WebSockets are opened, where there is more to it than `ca`: through a proxy, with a certificate. */
  readonly connector?: buildConnector.connector;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'> & Partial<Pick<Telemetry, 'tracer'>>;
  /** How long to wait for the first connection, in milliseconds. Later ones are waited for without end. */
  readonly patienceMs?: number;
}

/** Header fields of a message. */
export type BusHeaders = Readonly<Record<string, string>>;

const dialTimeoutMs = 5000;
const pings = { everyMs: 10_000, missed: 1 };
/** How long a change of credentials waits for open questions, and for the server. */
const renewal = { idleMs: 2000, everyMs: 10, backMs: 10_000 };

/** A NATS connection, and when it was lost. */
export class Connection {
  readonly nats: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly telemetry: BusOptions['telemetry'];
  readonly #reconnected = new Set<() => void>();
  readonly #lost = new Set<() => void>();
  #isConnected = true;
  #asked = 0;
  /** What waits until another credential is in use. */
  #held: { readonly done: Promise<void>; readonly messages: (() => void)[] } | undefined;

  constructor(nats: NatsConnection, telemetry: BusOptions['telemetry']) {
    this.nats = nats;
    this.jetstream = jetstream(nats);
    this.telemetry = telemetry;
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.nats.isClosed();
  }

  /** The JetStream API; asks the server nothing by itself. */
  manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.nats, { checkAPI: false });
  }

  /** Calls back after each reconnection. Returns how to stop. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => this.#reconnected.delete(listener);
  }

  /**
   * Awaits an answer no longer than the connection lives. Without this a request whose connection broke would wait for its
   * whole timeout, since nobody will ever answer it.
   */
  async answered<T>(subject: string, work: () => Promise<T>): Promise<T> {
    // Not a turn may pass between the last look and what is counted below.
    while (this.#held) await this.#held.done;
    if (!this.isConnected) throw BusUnavailable();
    const { promise, reject } = Promise.withResolvers<never>();
    const lost = () => reject(BusUnavailable());
    this.#lost.add(lost);
    this.#asked += 1;
    try {
      return await Promise.race([work(), promise]);
    } catch (error) {
      throw translateError(error, subject);
    } finally {
      this.#asked -= 1;
      this.#lost.delete(lost);
    }
  }

  /** Sends what may be lost, but not because of us: while another credential is taken into use it waits for that. */
  send(message: () => void): void {
    if (this.#held) this.#held.messages.push(message);
    else if (this.isConnected) message();
  }

  /**
   * Connects anew, so that the credential of this moment is in use before the one that the server knows has ended. Questions
   * that are open are answered first, and what comes meanwhile waits; so nothing of ours is lost by it.
   */
  async renew(): Promise<void> {
    if (this.#held || !this.isConnected) return;
    const done = Promise.withResolvers<void>();
    const held = { done: done.promise, messages: [] as (() => void)[] };
    this.#held = held;
    try {
      await this.#idle();
      const back = this.#comesBack();
      await this.nats.reconnect();
      await back;
    } finally {
      this.#held = undefined;
      done.resolve();
      if (this.isConnected) for (const message of held.messages) message();
    }
  }

  async #idle(): Promise<void> {
    const end = performance.now() + renewal.idleMs;
    while (this.#asked > 0 && performance.now() < end) await delay(renewal.everyMs);
    await Promise.race([this.nats.flush().catch(() => {}), delay(renewal.idleMs)]);
  }

  async #comesBack(): Promise<void> {
    const back = Promise.withResolvers<void>();
    const timer = setTimeout(back.resolve, renewal.backMs);
    const stop = this.onReconnect(back.resolve);
    await back.promise;
    stop();
    clearTimeout(timer);
  }

  async #watch(): Promise<void> {
    const log = this.telemetry?.log;
    for await (const status of this.nats.status()) {
      if (status.type === 'disconnect') this.#setLost();
      if (status.type === 'reconnect') this.#setReconnected();
      if (status.type === 'error') log?.warn('the bus reports an error', { error: status.error.message });
      if (status.type === 'slowConsumer') log?.warn('messages come faster than they are handled', {});
    }
    this.#setLost();
  }

  #setLost(): void {
    if (this.#isConnected && !this.nats.isClosed()) this.telemetry?.log.warn('the bus connection was lost');
    this.#isConnected = false;
    for (const listener of this.#lost) listener();
  }

  #setReconnected(): void {
    this.#isConnected = true;
    this.telemetry?.log.info('the bus connection is back');
    for (const listener of this.#reconnected) listener();
  }
}

/** Connects, waiting for the server for a while; a refused credential is not waited for. */
export async function openConnection(options: BusOptions): Promise<Connection> {
  const end = performance.now() + (options.patienceMs ?? 30_000);
  for (;;) {
    try {
      return new Connection(await connectOnce(options), options.telemetry);
    } catch (error) {
      const failed = translateError(error, 'connect');
      if (!BusUnavailable.is(failed) && !isTimeout(failed)) throw failed;
      if (performance.now() > end) throw BusUnavailable.from(error);
      options.telemetry?.log.warn('the bus is not there yet', { error: messageOf(error) });
      await delay(reconnectDelay());
    }
  }
}

/** Header fields with the trace that the caller is in, unless it names one. */
export function toHeaders(fields: BusHeaders = {}): MsgHdrs {
  const result = newHeaders();
  const traceparent = fields['traceparent'] ?? currentTraceparent();
  if (traceparent !== undefined) result.set('traceparent', traceparent);
  for (const [name, value] of Object.entries(fields)) result.set(name, value);
  return result;
}

/** Header fields as a record; names as they were sent. */
export function fromHeaders(given: MsgHdrs | undefined): BusHeaders {
  return Object.fromEntries((given?.keys() ?? []).map((name) => [name, given!.get(name)]));
}

function connectOnce({ servers, ca, connector, ...options }: BusOptions): Promise<NatsConnection> {
  const urls = typeof servers === 'string' ? servers.split(',') : servers;
  return dial(urls, connectOptions(options), { ca, connector });
}

function connectOptions({
  name,
  creds,
  inboxPrefix,
}: Omit<BusOptions, 'servers' | 'ca' | 'connector'>): NodeConnectionOptions {
  return {
    name,
    timeout: dialTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: reconnectDelay,
    // A connection that a network cut left half open says nothing: whoever hears by it is deaf until two pings are missed.
    pingInterval: pings.everyMs,
    maxPingOut: pings.missed,
    // A JWT that expired while we were away is replaced by the next one; giving up would need a restart.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(creds ? { authenticator: authenticator(creds) } : {}),
  };
}

function authenticator(creds: NonNullable<BusOptions['creds']>): Authenticator {
  return (nonce = '') => {
    const { seed, jwt } = typeof creds === 'function' ? creds() : creds;
    const key = readSeed(seed);
    return { jwt, nkey: key.publicKey, sig: key.sign(nonce).toString('base64url') };
  };
}

/** Between 0.1 and 1 second, so that a thousand agents do not all come back at once. */
function reconnectDelay(): number {
  return 100 + Math.random() * 900;
}

function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'bus.timeout';
}
