import type { Connection } from './connection.ts';
import { DurableConsumption } from './consume-loop.ts';
import type { DurableMessage } from './consume-message.ts';
import type { ConsumerLag } from './consume-metrics.ts';
import type { Parking } from './consume-parking.ts';

/** Which messages to take and how. */
export interface ConsumeBase {
  readonly stream: string;
  /** Name of the durable consumer; the members of a service share it. */
  readonly durable: string;
  /** Where messages go that cannot be handled. */
  readonly parking: Parking;
  /** Called after a message was parked, by who can make up for what it would have done. */
  onParked?(): void;
  readonly filterSubject?: string;
  /** Messages delivered and not yet done, at most. */
  readonly maxPending?: number;
  readonly ackWaitMs?: number;
  /** How long one call of the handler may take before its messages are left to other replicas, in milliseconds. */
  readonly hungAfterMs?: number;
  /**
   * Of messages that will never pass, how many of one subject are parked. Set where the sender of a subject is not trusted with
   * stopping the consumer: what it sends beyond that is dropped, counted and told in the log. What fails for another reason, above
   * all a bug of ours, is parked all the same.
   */
  readonly maxParkedOfSubject?: number;
  /** How often a failing handler is called again before the message is parked; unavailability is waited out instead. */
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

/** A running consumer. Disposing it waits for the handler that runs and hands back what was not begun. */
export interface Consumption extends AsyncDisposable {
  /** Resolves when the consumer exists on the server. */
  readonly ready: Promise<void>;
  /** How far behind it is. */
  lag(): ConsumerLag;
}

/** Handles messages one after the other. */
export function consume(connection: Connection, { handler, ...options }: ConsumeOptions): Consumption {
  return consumeBatches(connection, { ...options, maxBatch: 1, handler: ([message]) => handler(message!) });
}

/**
 * Handles messages in batches: what is there, at most `maxBatch`.
 *
 * Each message is handled at least once. One whose handler keeps failing is parked, whole, before the server is told to forget
 * it; those after it go on. What a handler writes must come out the same when the message comes twice: see `once` of
 * libs/event-store.
 */
export function consumeBatches(connection: Connection, options: ConsumeBatchesOptions): Consumption {
  return new DurableConsumption(connection, options);
}
