import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { delay, messageOf } from '@postern/core';
import type { Connection } from './connection.ts';
import type { ConsumeBatchesOptions, Consumption } from './consume.ts';
import { Attempts } from './consume-attempts.ts';
import {
  declareConsumer,
  defaultAckWaitMs,
  defaultHungAfterMs,
  defaultMaxPending,
} from './consume-config.ts';
import { delivered, durableMessage, type DurableMessage } from './consume-message.ts';
import { type ConsumerLag, ConsumerMetrics } from './consume-metrics.ts';
import { traced } from './consume-trace.ts';
import { translateError } from './failures.ts';

const infoEveryMs = 5_000;
const longestPauseMs = 5_000;

/** A durable pull consumer that is read for as long as it is open, whatever the connection does. */
export class DurableConsumption implements Consumption {
  readonly ready: Promise<void>;
  readonly #connection: Connection;
  readonly #options: ConsumeBatchesOptions;
  readonly #metrics: ConsumerMetrics;
  readonly #attempts: Attempts;
  readonly #retries: Disposable;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  #queue: JsMsg[] = [];
  #more = Promise.withResolvers<void>();
  #turn: Promise<void> = Promise.resolve();
  #source: ConsumerMessages | undefined;
  #streamCreated = '';
  #calledAt: number | undefined;

  constructor(connection: Connection, options: ConsumeBatchesOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#metrics = new ConsumerMetrics(options.durable, connection.telemetry);
    this.#attempts = new Attempts({
      options,
      metrics: this.#metrics,
      log: connection.telemetry?.log,
      signal: this.#ended.signal,
      streamCreated: () => this.#streamCreated,
      call: (messages) => this.#call(messages.map((message) => delivered(message, this.#streamCreated))),
    });
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    this.#retries = options.parking.onRetry(options.durable, (parked) =>
      this.#inTurn(() => this.#call([durableMessage(parked)])),
    );
    this.#running = this.#run();
  }

  lag(): ConsumerLag {
    return this.#metrics.lag(this.#queue[0] && storedAt(this.#queue[0]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#retries[Symbol.dispose]();
    this.#source?.stop();
    this.#more.resolve();
    await this.#running;
    await this.#turn;
    this.#metrics[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const worker = this.#work();
    for (let failures = 0; !this.#ended.signal.aborted; failures += 1) {
      try {
        await this.#pull(() => (failures = 0));
      } catch (error) {
        this.#log('a consumer could not be read', error);
      }
      const ms = Math.min(500 * 2 ** Math.max(0, failures - 3), longestPauseMs);
      await delay(ms * (0.5 + Math.random()), this.#ended.signal).catch(() => {});
    }
    this.#ready.reject(new Error('the consumer was closed'));
    await worker;
  }

  async #pull(succeeded: () => void): Promise<void> {
    const { stream, durable } = this.#options;
    const connection = this.#connection;
    const manager = await connection.manager();
    const { created } = await connection.answered(stream, () => manager.streams.info(stream));
    this.#streamCreated = created;
    const info = await connection.answered(stream, () => declareConsumer(manager, this.#options));
    this.#metrics.info = info;
    this.#ready.resolve();
    succeeded();
    const consumer = manager.jetstream().consumers.getConsumerFromInfo(info);
    this.#source = await consumer.consume({ max_messages: this.#maxPending, idle_heartbeat: 5000 });
    if (this.#ended.signal.aborted) return this.#source.stop();
    void this.#stopWhenDeleted(this.#source, durable);
    const asking = setInterval(() => void this.#askInfo(consumer), infoEveryMs);
    try {
      for await (const message of this.#source) {
        this.#queue.push(message);
        this.#more.resolve();
      }
    } finally {
      clearInterval(asking);
    }
  }

  get #maxPending(): number {
    return this.#options.maxPending ?? defaultMaxPending;
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

  async #askInfo(consumer: Consumer): Promise<void> {
    const { stream } = this.#options;
    if (!this.#connection.isConnected) return;
    try {
      this.#metrics.info = await this.#connection.answered(stream, () => consumer.info());
    } catch (error) {
      this.#connection.telemetry?.log.debug('a consumer could not be asked about', {
        error: messageOf(error),
      });
    }
  }

  async #work(): Promise<void> {
    const { maxBatch = 500 } = this.#options;
    const keepAlive = setInterval(() => this.#extend(), (this.#options.ackWaitMs ?? defaultAckWaitMs) / 3);
    while (!this.#ended.signal.aborted) {
      if (this.#queue.length === 0) {
        this.#more = Promise.withResolvers();
        await this.#more.promise;
        continue;
      }
      const batch = this.#queue.slice(0, maxBatch);
      await this.#inTurn(() => this.#attempts.handle(batch)).catch((error: unknown) =>
        // Not acknowledged, so the server delivers them again.
        this.#log('messages were neither handled nor parked', error),
      );
      this.#queue = this.#queue.slice(batch.length);
      this.#metrics.done(batch.length, storedAt(batch.at(-1)!));
    }
    clearInterval(keepAlive);
    // Handed back, so that another replica has them now and not after the time for an acknowledgement.
    if (this.#connection.isConnected) for (const message of this.#queue) message.nak();
  }

  /** Tells the server that waiting messages are not forgotten, unless this replica has come to a halt. */
  #extend(): void {
    const hungAfterMs = this.#options.hungAfterMs ?? defaultHungAfterMs;
    const isHung = this.#calledAt !== undefined && performance.now() - this.#calledAt > hungAfterMs;
    if (isHung) this.#log('a handler hangs; its messages are left to other replicas', new Error('no answer'));
    else if (this.#connection.isConnected) for (const message of this.#queue) message.working();
  }

  /** The handler is never called twice at once: not for new messages beside one that is tried again. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #call(messages: readonly DurableMessage[]): Promise<void> {
    const { durable, handler } = this.#options;
    this.#calledAt = performance.now();
    try {
      await traced(this.#connection.telemetry, durable, messages, () => handler(messages));
    } finally {
      this.#calledAt = undefined;
    }
  }

  #log(text: string, error: unknown): void {
    if (this.#ended.signal.aborted) return;
    const { stream, durable } = this.#options;
    const why = messageOf(translateError(error, stream));
    this.#connection.telemetry?.log.warn(text, { stream, durable, error: why });
  }
}

/** Milliseconds since 1970 at which the stream got the message. */
function storedAt(message: JsMsg): number {
  return message.time.getTime();
}
