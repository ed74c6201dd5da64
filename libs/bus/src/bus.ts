import { type Json, messageOf, parseJson, toAppError } from '@postern/core';
import type { Msg } from '@nats-io/transport-node';
import {
  type BusHeaders,
  type BusOptions,
  type Connection,
  fromHeaders,
  openConnection,
  toHeaders,
} from './connection.ts';
import {
  type Consumption,
  type ConsumeOptions,
  consumeBatches,
  type ConsumeBatchesOptions,
  consume,
} from './consume.ts';
import { translateError } from './failures.ts';
import { LanePublisher } from './lane-publisher.ts';
import { reconcileStreams } from './reconcile-streams.ts';
import { errorHeaders, throwIfError } from './remote-error.ts';
import { isSmuggled } from './smuggled.ts';
import type { StreamSpec } from './streams.ts';

/** A message of a subscription. */
export interface BusMessage {
  readonly subject: string;
  readonly headers: BusHeaders;
  /** The body, read as untrusted JSON. */
  json(): Json;
  /** The body as it is. */
  text(): string;
  /** Answers a request; does nothing when the message is none. */
  respond(body: unknown): void;
}

/** Handles one message. What it throws is logged, and answered when the message is a request. */
export type BusHandler = (message: BusMessage) => void | Promise<void>;

/** How to subscribe. */
export interface SubscribeOptions {
  /** Each message goes to one member of the queue. */
  readonly queue?: string;
  /** Called when the server ends the subscription, as it does when the credential does not allow it. */
  readonly onError?: (error: unknown) => void;
}

/** A message that JetStream holds. */
export interface DurableAck {
  readonly stream: string;
  readonly sequence: number;
  /** True when the message id was known and nothing was stored. */
  readonly duplicate: boolean;
}

const defaultTimeoutMs = 5000;

/** Connects to the bus. The connection comes back by itself for as long as the bus is open. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  return new Bus(await openConnection(options));
}

/** Messages between services and agents. */
export class Bus implements AsyncDisposable {
  /** For the parts of this package. */
  readonly connection: Connection;
  readonly #lanes: LanePublisher;

  constructor(connection: Connection) {
    this.connection = connection;
    const changes = connection.telemetry?.meter.createCounter('bus_lane_changes_total', {
      description: 'Times that facts went on to another JetStream stream, since the first did not keep them.',
    });
    this.#lanes = new LanePublisher((from, to) => {
      changes?.add(1);
      connection.telemetry?.log.warn('facts go to another stream of the bus', { from, to });
    });
  }

  get isConnected(): boolean {
    return this.connection.isConnected;
  }

  /** Sends a message that may be lost: while the connection is down it is. */
  publish(subject: string, body: unknown, headers?: BusHeaders): void {
    const { nats } = this.connection;
    const message = encode(body);
    const options = { headers: toHeaders(headers) };
    this.connection.send(() => nats.publish(subject, message, options));
  }

  /**
   * Stores a message in the JetStream stream of its subject. The same message id again, within minutes, stores nothing. Facts of
   * edges have several streams: one that is not acknowledged within 1.5 s by the first is stored in another as well.
   * Bytes are taken for JSON.
   */
  async publishDurable(
    subject: string,
    body: unknown,
    { msgId, headers }: { readonly msgId?: string; readonly headers?: BusHeaders } = {},
  ): Promise<DurableAck> {
    const { jetstream } = this.connection;
    const message = body instanceof Uint8Array ? body : encode(body);
    const options = { headers: toHeaders(headers), ...(msgId === undefined ? {} : { msgID: msgId }) };
    const ack = await this.#lanes.publish(subject, (lane, timeout) =>
      this.connection.answered(lane, () => jetstream.publish(lane, message, { ...options, timeout })),
    );
    return { stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate };
  }

  /** Asks and returns the first answer. A failure of the one who answers is thrown here with its kind and code. */
  async request(
    subject: string,
    body: unknown,
    { timeoutMs = defaultTimeoutMs }: { readonly timeoutMs?: number } = {},
  ): Promise<Json> {
    const { nats } = this.connection;
    const options = { timeout: timeoutMs, headers: toHeaders() };
    const answer = await this.connection.answered(subject, () =>
      nats.request(subject, encode(body), options),
    );
    throwIfError(fromHeaders(answer.headers), answer.string());
    return decode(answer);
  }

  /**
   * Calls the handler for each message. Handlers start in order of arrival and do not wait for each other.
   */
  subscribe(
    subject: string,
    { queue, onError }: SubscribeOptions,
    handler: BusHandler,
  ): { unsubscribe(): void } {
    const failed = (error: unknown) => {
      this.#warn('a subscription failed', subject, error);
      onError?.(error);
    };
    const subscription = this.connection.nats.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error) failed(translateError(error, subject));
        else void this.#handle(subject, message, handler);
      },
    });
    return { unsubscribe: () => subscription.unsubscribe() };
  }

  /** Resolves when the server has seen everything sent so far, subscriptions included. */
  async flush(): Promise<void> {
    await this.connection.answered('flush', () => this.connection.nats.flush());
  }

  /** Calls back after each reconnection. Returns how to stop. */
  onReconnect(listener: () => void): () => void {
    return this.connection.onReconnect(listener);
  }

  /** Takes the credential of this moment into use; call it after a renewal, before the old one ends. */
  renewCredentials(): Promise<void> {
    return this.connection.renew();
  }

  /** Creates or updates JetStream streams until they are as declared; fails where the server cannot do that. */
  reconcileStreams(streams: readonly StreamSpec[]): Promise<void> {
    return reconcileStreams(this.connection, streams);
  }

  /** Handles the messages of a JetStream stream one after the other, each until it is done. */
  consume(options: ConsumeOptions): Consumption {
    return consume(this.connection, options);
  }

  /** Handles the messages of a JetStream stream in batches, in order. */
  consumeBatches(options: ConsumeBatchesOptions): Consumption {
    return consumeBatches(this.connection, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.nats.close();
  }

  async #handle(subject: string, message: Msg, handler: BusHandler): Promise<void> {
    if (isSmuggled(subject, message))
      return this.#warn('a message was not taken', subject, 'it is a copy of a stored one');
    try {
      await handler({
        subject: message.subject,
        headers: fromHeaders(message.headers),
        json: () => decode(message),
        text: () => message.string(),
        respond: (body) => respond(message, encode(body)),
      });
    } catch (error) {
      this.#warn('a message could not be handled', subject, error);
      const { kind, code, message: text } = toAppError(error);
      respond(message, text, errorHeaders(kind, code));
    }
  }

  #warn(text: string, subject: string, error: unknown): void {
    this.connection.telemetry?.log.warn(text, { subject, error: messageOf(error) });
  }
}

/**
 * Answers into an inbox and nowhere else. Whoever asks names the subject of the answer, and we may publish where it may not:
 * to a view, or into the stream of our events.
 */
function respond(message: Msg, body: string, headers?: BusHeaders): void {
  if (!message.reply?.startsWith('_INBOX.')) return;
  message.respond(body, headers && { headers: toHeaders(headers) });
}

function encode(body: unknown): string {
  return body === undefined ? '' : JSON.stringify(body);
}

function decode(message: Msg): Json {
  return message.data.length === 0 ? null : parseJson(message.string());
}
