import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import type { StoredEvent } from '@postern/contracts';
import { delay, failureKinds, type Json, messageOf, parseJson, toAppError } from '@postern/core';
import { type BusHeaders, type Connection, fromHeaders } from './connection.ts';
import { translateError } from './failures.ts';

/** A message that JetStream delivers until it is done. */
export interface DurableMessage {
  readonly subject: string;
  /** Place in the JetStream stream. Reused after a stream lost its tail, so it is no identity. */
  readonly sequence: number;
  /** When the JetStream stream was made: another time is another numbering. */
  readonly streamCreated: string;
  /** How often it was delivered, from 1. */
  readonly deliveries: number;
  readonly headers: BusHeaders;
  /** The body, read as untrusted JSON. */
  json(): Json;
  /** The body of an event stream, whose writer is our own relay. */
  event(): StoredEvent;
}

/** Which messages to take and how. */
export interface ConsumeBase {
  readonly stream: string;
  /** Name of the durable consumer; the members of a service share it. */
  readonly durable: string;
  readonly filterSubject?: string;
  /** Messages delivered and not yet done, at most. */
  readonly maxPending?: number;
  readonly ackWaitMs?: number;
  /** How often a failing handler is called again before the message is given up; unavailability is waited out instead. */
  readonly attempts?: number;
}

/** One message at a time. */
export interface ConsumeOptions extends ConsumeBase {
  handler(message: DurableMessage): Promise<void>;
}

/** Many messages at a time, in order; the batch succeeds or fails as a whole. */
export interface ConsumeBatchesOptions extends ConsumeBase {
  readonly maxBatch?: number;
  handler(messages: readonly DurableMessage[]): Promise<void>;
}

/** A running consumer. Disposing it waits for the handler that runs. */
export interface Consumption extends AsyncDisposable {
  /** Resolves when the consumer exists on the server. */
  readonly ready: Promise<void>;
}

/** Handles messages one after the other. */
export function consume(connection: Connection, { handler, ...options }: ConsumeOptions): Consumption {
  return consumeBatches(connection, { ...options, maxBatch: 1, handler: ([message]) => handler(message!) });
}

/** Handles messages in batches: what is there, at most `maxBatch`. */
export function consumeBatches(connection: Connection, options: ConsumeBatchesOptions): Consumption {
  return new DurableConsumption(connection, options);
}

class DurableConsumption implements Consumption {
  readonly ready: Promise<void>;
  readonly #connection: Connection;
  readonly #options: ConsumeBatchesOptions;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  #queue: JsMsg[] = [];
  #more = Promise.withResolvers<void>();
  #source: ConsumerMessages | undefined;
  #streamCreated = '';

  constructor(connection: Connection, options: ConsumeBatchesOptions) {
    this.#connection = connection;
    this.#options = options;
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#source?.stop();
    this.#more.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const worker = this.#work();
    while (!this.#ended.signal.aborted) {
      try {
        await this.#pull();
      } catch (error) {
        this.#log('a consumer could not be read', error);
      }
      await this.#pause(500);
    }
    this.#ready.reject(new Error('the consumer was closed'));
    await worker;
  }

  async #pull(): Promise<void> {
    const { stream, durable } = this.#options;
    const connection = this.#connection;
    const manager = await connection.manager();
    const { created } = await connection.answered(stream, () => manager.streams.info(stream));
    this.#streamCreated = created;
    const info = await connection.answered(stream, () => manager.consumers.add(stream, this.#config()));
    this.#ready.resolve();
    const consumer = manager.jetstream().consumers.getConsumerFromInfo(info);
    this.#source = await consumer.consume({ max_messages: this.#maxPending, idle_heartbeat: 5000 });
    if (this.#ended.signal.aborted) return this.#source.stop();
    void this.#stopWhenDeleted(this.#source, durable);
    for await (const message of this.#source) {
      this.#queue.push(message);
      this.#more.resolve();
    }
  }

  #config() {
    const { durable, filterSubject, ackWaitMs = 30_000 } = this.#options;
    return {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: ackWaitMs * 1_000_000,
      max_ack_pending: this.#maxPending,
      max_deliver: -1,
      ...(filterSubject === undefined ? {} : { filter_subject: filterSubject }),
    };
  }

  get #maxPending(): number {
    return this.#options.maxPending ?? 1000;
  }

  // The client keeps asking a consumer that is gone; the outer loop makes it again.
  async #stopWhenDeleted(source: ConsumerMessages, durable: string): Promise<void> {
    const ends = ['consumer_not_found', 'consumer_deleted', 'stream_not_found'];
    for await (const { type } of source.status()) {
      if (!ends.includes(type)) continue;
      this.#log('a consumer is gone and is made again', new Error(`${durable}: ${type}`));
      return source.stop();
    }
  }

  async #work(): Promise<void> {
    const { maxBatch = 500 } = this.#options;
    const keepAlive = setInterval(() => this.#extend(), (this.#options.ackWaitMs ?? 30_000) / 3);
    while (!this.#ended.signal.aborted) {
      if (this.#queue.length === 0) {
        this.#more = Promise.withResolvers();
        await this.#more.promise;
        continue;
      }
      const batch = this.#queue.slice(0, maxBatch);
      await this.#handle(batch);
      this.#queue = this.#queue.slice(batch.length);
    }
    clearInterval(keepAlive);
  }

  /** Tells the server that waiting messages are not forgotten. */
  #extend(): void {
    if (this.#connection.isConnected) for (const message of this.#queue) message.working();
  }

  async #handle(batch: readonly JsMsg[]): Promise<void> {
    try {
      await this.#options.handler(batch.map((message) => this.#message(message)));
      for (const message of batch) message.ack();
    } catch (error) {
      if (batch.length > 1) for (const message of batch) await this.#handleAlone(message, 0);
      else await this.#retry(batch[0]!, error, 1);
    }
  }

  async #handleAlone(message: JsMsg, failures: number): Promise<void> {
    if (this.#ended.signal.aborted) return;
    try {
      await this.#options.handler([this.#message(message)]);
      message.ack();
    } catch (error) {
      await this.#retry(message, error, failures + 1);
    }
  }

  // In place, so that later messages of the same aggregate do not overtake this one.
  async #retry(message: JsMsg, error: unknown, failures: number): Promise<void> {
    const { kind } = toAppError(error);
    const then = failureKinds[kind].consumer;
    if (then === 'ack') return message.ack();
    if (then === 'term') return this.#park(message, error);
    if (then !== 'delay' && failures >= (this.#options.attempts ?? 5)) return this.#park(message, error);
    this.#log('a message is tried again', error, message.subject);
    await this.#pause(Math.min(100 * 2 ** failures, 5000));
    return this.#handleAlone(message, failures);
  }

  #park(message: JsMsg, error: unknown): void {
    const { stream, durable } = this.#options;
    this.#connection.telemetry?.meter
      .createCounter('bus_parked_total', {
        description: 'Messages given up after their handler kept failing.',
      })
      .add(1, { durable });
    this.#connection.telemetry?.log.error('a message was given up', {
      stream,
      durable,
      subject: message.subject,
      sequence: message.seq,
      error: messageOf(error),
    });
    message.term(messageOf(error).slice(0, 200));
  }

  #log(text: string, error: unknown, subject = ''): void {
    if (this.#ended.signal.aborted) return;
    const { stream, durable } = this.#options;
    const why = messageOf(translateError(error, stream));
    this.#connection.telemetry?.log.warn(text, { stream, durable, subject, error: why });
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms * (0.5 + Math.random()), this.#ended.signal).catch(() => {});
  }

  #message(message: JsMsg): DurableMessage {
    return {
      subject: message.subject,
      sequence: message.seq,
      streamCreated: this.#streamCreated,
      deliveries: message.info.deliveryCount,
      headers: fromHeaders(message.headers),
      json: () => parseJson(message.string()),
      event: () => message.json<StoredEvent>(),
    };
  }
}
