import type { BusHeaders } from './connection.ts';

/** A message that a consumer could not handle, whole. */
export interface ParkedMessage {
  /** Name of the durable consumer. */
  readonly consumer: string;
  readonly stream: string;
  readonly streamCreated: string;
  readonly sequence: number;
  readonly subject: string;
  readonly headers: BusHeaders;
  readonly body: Uint8Array;
  /** Message id, which is the event's id in a stream of events, or empty. */
  readonly eventId: string;
  /** `<aggregate>/<id>` where the subject is an event's, or empty. */
  readonly aggregate: string;
  readonly deliveries: number;
  /** Code and text of the last failure. */
  readonly code: string;
  readonly error: string;
}

/** Where messages go that cannot be handled: libs/event-store keeps them in the consumer's database. */
export interface Parking {
  /**
   * Keeps a message; the consumer lets it go only when this is done, and tries again when it fails. With `mostOfSubject` it answers
   * false, and keeps nothing, where as many of the same subject are kept already, or too many of the consumer.
   */
  park(message: ParkedMessage, mostOfSubject?: number): Promise<boolean>;
  /** Calls back with each message of the consumer that is to be tried again; what is thrown is its new failure. */
  onRetry(consumer: string, handle: (message: ParkedMessage) => Promise<void>): Disposable;
}
