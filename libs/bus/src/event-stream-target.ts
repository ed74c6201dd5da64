import { PubHeaders } from '@nats-io/jetstream';
import { type EventContext, eventSubject, type StoredEvent, wakeSubject } from '@postern/contracts';
import type { Bus } from './bus.ts';
import { type Connection, toHeaders } from './connection.ts';
import { eventStreamName } from './streams.ts';

/** An event as the relay hands it over. */
export interface OutgoingEvent {
  readonly position: number;
  readonly event: StoredEvent;
}

/** How many messages of a batch the JetStream stream holds, and why not all. */
export interface PublishedBatch {
  readonly stored: number;
  readonly error?: unknown;
}

const ackTimeoutMs = 5000;
const tailBatch = 200;

/** The JetStream stream of a service's events, as its relay writes to it. */
export class EventStreamTarget {
  readonly #bus: Bus;
  readonly #context: EventContext;
  readonly #stream: string;

  constructor(bus: Bus, context: EventContext) {
    this.#bus = bus;
    this.#context = context;
    this.#stream = eventStreamName(context);
  }

  /** The creation time, which changes when the stream was made anew, and the last sequence number. */
  async state(): Promise<{ readonly created: string; readonly lastSequence: number }> {
    const { created, state } = await this.#connection.answered(this.#stream, async () =>
      (await this.#connection.manager()).streams.info(this.#stream),
    );
    return { created, lastSequence: state.last_seq };
  }

  /**
   * Event ids of the messages up to a sequence number, oldest first. Each is asked of the leader by its number: a direct get may
   * be behind, and a consumer would need the right to make one, which is the right to have messages delivered to any subject
   * there is.
   */
  async tail(count: number, lastSequence: number): Promise<readonly string[]> {
    const first = Math.max(1, lastSequence - count + 1);
    const ids: string[] = [];
    for (let at = first; at <= lastSequence; at += tailBatch) {
      const size = Math.min(tailBatch, lastSequence - at + 1);
      ids.push(...(await Promise.all(Array.from({ length: size }, (_, index) => this.#idOf(at + index)))));
    }
    return ids.filter((id) => id !== '');
  }

  /** Sends the whole batch without waiting; each message is stored only right after the one before it. */
  async publishBatch(events: readonly OutgoingEvent[], lastSequence: number): Promise<PublishedBatch> {
    const sent = events.map((event, index) => this.#publish(event, lastSequence + index));
    const all = Promise.allSettled(sent);
    const results = await this.#connection
      .answered(this.#stream, () => all)
      .catch((error: unknown) => [failed(error)]);
    const stored = results.findIndex((result) => result.status === 'rejected');
    if (stored === -1) return { stored: events.length };
    return { stored, error: (results[stored] as PromiseRejectedResult).reason };
  }

  /** Tells the leading relay that something was recorded. */
  wake(): void {
    this.#bus.publish(wakeSubject(this.#context), undefined);
  }

  /** Calls back when somebody recorded something. Returns how to stop. */
  onWake(listener: () => void): () => void {
    const { unsubscribe } = this.#bus.subscribe(wakeSubject(this.#context), {}, listener);
    return unsubscribe;
  }

  get #connection(): Connection {
    return this.#bus.connection;
  }

  /** Empty for a number whose message is gone. */
  async #idOf(seq: number): Promise<string> {
    const manager = await this.#connection.manager();
    const message = await this.#connection.answered(this.#stream, () =>
      manager.streams.getMessage(this.#stream, { seq }),
    );
    return message?.header.get(PubHeaders.MsgIdHdr) ?? '';
  }

  async #publish({ position, event }: OutgoingEvent, lastSequence: number): Promise<void> {
    const { traceparent } = event.meta;
    const headers = toHeaders({
      [PubHeaders.MsgIdHdr]: event.id,
      // By hand: the client leaves out an expected sequence of 0.
      [PubHeaders.ExpectedLastSeqHdr]: String(lastSequence),
      'Evt-Seq': String(position),
      'Evt-Type': event.type,
      ...(traceparent === undefined ? {} : { traceparent }),
    });
    const subject = eventSubject(this.#context, event.stream, event.type);
    await this.#connection.jetstream.publish(subject, JSON.stringify(event), {
      headers,
      timeout: ackTimeoutMs,
    });
  }
}

/** The JetStream stream of a service's events, for its relay. */
export function eventStreamTarget(bus: Bus, context: EventContext): EventStreamTarget {
  return new EventStreamTarget(bus, context);
}

function failed(reason: unknown): PromiseRejectedResult {
  return { status: 'rejected', reason };
}
