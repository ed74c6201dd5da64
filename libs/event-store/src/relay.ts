import { delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { EventStore } from './event-store.ts';
import { OutboxGauge } from './outbox-gauge.ts';
import type { PositionedEvent } from './read.ts';
import { RelaySession } from './relay-session.ts';

/** The log that events are distributed by, as the relay needs it. */
export interface RelayTarget {
  /** What identifies the log, and the sequence number of its last message. */
  state(): Promise<{ readonly created: string; readonly lastSequence: number }>;
  /** Event ids of so many messages up to this sequence number and not beyond it, oldest first. */
  tail(count: number, lastSequence: number): Promise<readonly string[]>;
  /**
   * Publishes in order, each message only if the log ends just before it. Tells how many were stored; what stopped the rest
   * is in `error`.
   */
  publishBatch(
    events: readonly PositionedEvent[],
    lastSequence: number,
  ): Promise<{ readonly stored: number; readonly error?: unknown }>;
  /** Tells the leader, wherever it is, that there is something to publish. */
  wake(): void;
  /** Calls back when somebody woke the leader. Returns how to stop. */
  onWake(listener: () => void): () => void;
}

/** What a relay connects. */
export interface RelayOptions {
  readonly store: Pick<EventStore, 'postgres' | 'onCommit'>;
  readonly target: RelayTarget;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

const batchSize = 500;
const tailSize = 2000;
const pollMs = 250;
const leaseRetryMs = 300;
const measureEveryMs = 5000;

/**
 * Starts to publish what the store records. Any number of replicas may run one; one leads.
 *
 * The outbox is a set of events not yet known to be published, so an event that commits late is simply found later. Each
 * message names the sequence number it must follow: one that fails stops those after it, a leader that was replaced is
 * refused, and a log that lost its tail is noticed. After every error the relay reads back what the log holds, since a message
 * whose acknowledgement was lost is there all the same.
 */
export function startRelay(options: RelayOptions): Relay {
  return new Relay(options);
}

/** A running relay. */
export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  readonly #stops: readonly (() => void)[];
  readonly #outbox: OutboxGauge;
  #isLeading = false;
  #isPoked = false;
  #poked = Promise.withResolvers<void>();

  constructor(options: RelayOptions) {
    this.#options = options;
    const { store, target, telemetry } = options;
    this.#stops = [
      store.onCommit(() => (this.#isLeading ? this.#poke() : target.wake())),
      target.onWake(() => this.#poke()),
    ];
    telemetry?.meter
      .createObservableGauge('relay_leader', { description: '1 where the relay publishes.' })
      .addCallback((result) => result.observe(this.#isLeading ? 1 : 0));
    this.#outbox = new OutboxGauge(telemetry);
    this.#running = this.#run();
  }

  /** Whether this is the one that publishes now. */
  get isLeading(): boolean {
    return this.#isLeading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#poke();
    for (const stop of this.#stops) stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#ended.signal.aborted) {
      try {
        await this.#lead(() => (failures = 0));
      } catch (error) {
        this.#options.telemetry?.log.warn('the relay starts again', { error: messageOf(error) });
      }
      this.#isLeading = false;
      failures += 1;
      await this.#pause(Math.min(100 * 2 ** failures, 1000));
    }
  }

  async #lead(succeeded: () => void): Promise<void> {
    const { store, target, telemetry } = this.#options;
    const published = telemetry?.meter.createCounter('relay_published_total', {
      description: 'Events published.',
    });
    await using session = await RelaySession.open(store.postgres, 'events');
    while (!(await session.tryLead())) {
      await this.#pause(leaseRetryMs);
      if (this.#ended.signal.aborted) return;
    }
    this.#isLeading = true;
    this.#outbox.set(await session.backlog());
    let last = await this.#synchronize(session);
    while (!this.#ended.signal.aborted) {
      this.#isPoked = false;
      const events = await session.pending(batchSize);
      await this.#measure(session, events);
      if (events.length === 0) {
        succeeded();
        await this.#nextPoke();
        continue;
      }
      const { stored, error } = await target.publishBatch(events, last);
      last += stored;
      await session.published(events.slice(0, stored), last);
      published?.add(stored);
      if (stored < events.length) throw error;
      succeeded();
    }
  }

  /** Brings the outbox in line with what the log really holds, and returns the log's last sequence number. */
  async #synchronize(session: RelaySession): Promise<number> {
    const { target, telemetry } = this.#options;
    const mark = await session.mark();
    const { created, lastSequence } = await target.state();
    // Not of what came since: the batch that follows must begin with all that may lie beyond `lastSequence`, or a message in its
    // midst could be the one that fits, and those before it come after.
    const tail = lastSequence === 0 ? [] : await target.tail(tailSize, lastSequence);
    const isAnother = mark.created !== undefined && mark.created !== created;
    if (isAnother || lastSequence < mark.sequence) {
      const requeued = await session.requeue(tail);
      telemetry?.meter
        .createCounter('relay_tail_lost_total', { description: 'Times the log lost its tail.' })
        .add(1);
      telemetry?.log.error('the event log lost its tail; it is published again', { requeued });
    }
    await session.known(tail);
    await session.setMark(lastSequence, created);
    return lastSequence;
  }

  /** The whole outbox is counted now and then; a short one is known without. */
  async #measure(session: RelaySession, pending: readonly PositionedEvent[]): Promise<void> {
    const [first] = pending;
    const oldestAt = first && new Date(first.event.at);
    if (pending.length < batchSize) this.#outbox.set({ rows: pending.length, oldestAt });
    else if (performance.now() - this.#outbox.measuredAt > measureEveryMs)
      this.#outbox.set(await session.backlog());
  }

  #poke(): void {
    this.#isPoked = true;
    this.#poked.resolve();
  }

  /** Waits for something to do; the poll finds what no poke told of. */
  async #nextPoke(): Promise<void> {
    if (this.#isPoked) return;
    this.#poked = Promise.withResolvers();
    const timer = setTimeout(() => this.#poked.resolve(), pollMs);
    await this.#poked.promise;
    clearTimeout(timer);
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms * (0.5 + Math.random() / 2), this.#ended.signal).catch(() => {});
  }
}
