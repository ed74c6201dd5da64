import { delay, failure, failureKinds, messageOf, toAppError, version } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { EventStore } from '../event-store.ts';
import type { ParkedMessage, ParkedRow } from './parked-message.ts';
import {
  askRetry,
  askRetryOfAll,
  countParked,
  findParked,
  insertParked,
  maxParkedPerConsumer,
} from './parked-table.ts';
import { claimRetry, failRetry, releaseRetry, settleRetry } from './retries.ts';

/** A consumer that parks message after message is broken, not its messages. */
export const TooManyParked = failure(
  'resource_exhausted',
  'event_store.too_many_parked',
  (consumer: string) =>
    `the consumer ${consumer} has ${maxParkedPerConsumer} parked messages and waits: see tctl events parked ls, then retry or drop some`,
);

/** A parked message that is not there, because it was handled or dropped. */
export const NotParked = failure(
  'not_found',
  'event_store.not_parked',
  (id: string) => `there is no parked message ${id}: it was handled or dropped`,
);

/** Of a message with a very large body only the beginning is kept here. */
export const NotWhole = failure(
  'failed_precondition',
  'event_store.not_whole',
  (id: string) =>
    `the parked message ${id} is too large to be kept whole, so it cannot be tried again: drop it`,
);

/** How parked messages are kept. */
export interface ParkingOptions<Db> {
  readonly store: EventStore<Db>;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
  /** How often retries are looked for, in milliseconds; one asked for in this process starts at once. */
  readonly pollMs?: number;
  /** Version of this program; another one may handle what this one cannot. */
  readonly program?: string;
}

type RetryHandler = (message: ParkedMessage) => Promise<void>;

/** Keeps the messages that the consumers of a service could not handle, in Postgres. */
export function openParking<Db>(options: ParkingOptions<Db>): Parking<Db> {
  return new Parking(options);
}

/** Parked messages, and the loop that hands them back to who is to try again. */
export class Parking<Db = unknown> implements AsyncDisposable {
  readonly store: EventStore<Db>;
  readonly #options: ParkingOptions<Db>;
  readonly #program: string;
  readonly #handlers = new Map<string, RetryHandler>();
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  readonly #retrying = new Map<string, Promise<void>>();
  #counts = new Map<string, number>();
  #poked = Promise.withResolvers<void>();

  constructor(options: ParkingOptions<Db>) {
    this.#options = options;
    this.store = options.store;
    this.#program = options.program ?? version;
    options.telemetry?.meter
      .createObservableGauge('bus_parked_messages', {
        description: 'Messages that wait for a person, by consumer.',
      })
      .addCallback((result) => {
        for (const [consumer, count] of this.#counts) result.observe(count, { consumer });
      });
    this.#running = this.#run();
  }

  /**
   * Keeps a message. Once this is done the message is nobody else's to keep. With `mostOfSubject` it answers false, and keeps
   * nothing, where as many of its subject are kept already. Messages with such a bound take half of a consumer's places at most, so
   * that they never stop it by their number.
   */
  async park(message: ParkedMessage, mostOfSubject?: number): Promise<boolean> {
    const ofConsumer = mostOfSubject === undefined ? maxParkedPerConsumer : maxParkedPerConsumer / 2;
    const isKept = await insertParked(this.store.db, message, this.#program, {
      ofConsumer,
      ofSubject: mostOfSubject,
    });
    if (!isKept && mostOfSubject === undefined) throw TooManyParked(message.consumer);
    if (isKept) this.#poked.resolve();
    return isKept;
  }

  /** Hands over each message of the consumer that is to be tried again; what is thrown is its new failure. */
  onRetry(consumer: string, handle: RetryHandler): Disposable {
    this.#handlers.set(consumer, handle);
    this.#poked.resolve();
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(consumer) === handle) this.#handlers.delete(consumer);
      },
    };
  }

  /** Asks the replica that runs the consumer to try a message again. */
  async retry(id: string): Promise<void> {
    if (!(await askRetry(this.store.db, id)))
      throw (await findParked(this.store.db, id)) ? NotWhole(id) : NotParked(id);
    this.#poked.resolve();
  }

  /** Asks for another try of all that a consumer parked. */
  async retryAll(consumer: string): Promise<void> {
    await askRetryOfAll(this.store.db, consumer);
    this.#poked.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#poked.resolve();
    await this.#running;
    await Promise.all(this.#retrying.values());
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.#poked = Promise.withResolvers();
      try {
        for (const consumer of this.#handlers.keys()) this.#startRetries(consumer);
        await this.#count();
      } catch (error) {
        this.#warn('parked messages could not be looked after', error);
      }
      await Promise.race([this.#poked.promise, this.#pause()]);
    }
  }

  /** Each consumer for itself: one that waits for what is away does not hold up the others. */
  #startRetries(consumer: string): void {
    if (this.#retrying.has(consumer)) return;
    const retrying = this.#retryDue(consumer)
      .catch((error: unknown) => this.#warn('parked messages could not be tried again', error))
      .finally(() => this.#retrying.delete(consumer));
    this.#retrying.set(consumer, retrying);
  }

  async #retryDue(consumer: string): Promise<void> {
    for (let goesOn = true; goesOn && !this.#ended.signal.aborted;) {
      const row = await claimRetry(this.store.db, { consumer, program: this.#program });
      const handle = this.#handlers.get(consumer);
      if (row && !handle) await releaseRetry(this.store.db, row);
      goesOn = row !== undefined && handle !== undefined && (await this.#try(row, handle));
    }
  }

  /** False when what the message needs is away, so that the next poll tries again. */
  async #try(row: ParkedRow, handle: RetryHandler): Promise<boolean> {
    const { db } = this.store;
    try {
      await handle(row);
    } catch (error) {
      const { kind, code } = toAppError(error);
      const isAway = failureKinds[kind].consumer === 'delay';
      if (isAway) await releaseRetry(db, row);
      else await failRetry(db, row, { code, error: messageOf(error), program: this.#program });
      this.#warn('a parked message could not be handled again', error, row);
      return !isAway;
    }
    await settleRetry(db, row);
    const { id, consumer } = row;
    this.#options.telemetry?.log.info('a parked message was handled', { id, consumer });
    return true;
  }

  async #count(): Promise<void> {
    const counts = await countParked(this.store.db);
    const none = [...this.#handlers.keys()].map((consumer) => [consumer, 0] as const);
    this.#counts = new Map([...none, ...counts]);
  }

  #warn(text: string, error: unknown, row?: ParkedRow): void {
    if (this.#ended.signal.aborted) return;
    const which = row ? { id: row.id, consumer: row.consumer } : {};
    this.#options.telemetry?.log.warn(text, { ...which, error: messageOf(error) });
  }

  async #pause(): Promise<void> {
    await delay(this.#options.pollMs ?? 1000, this.#ended.signal).catch(() => {});
  }
}
