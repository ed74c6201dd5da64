import type { ConsumerInfo } from '@nats-io/jetstream';
import type { Counter, ObservableResult, Telemetry } from '@postern/telemetry';

/** How far a consumer is behind its JetStream stream. */
export interface ConsumerLag {
  /** Messages not yet done by any replica, as of a few seconds ago at most. */
  readonly events: number;
  /** Age of the oldest of them, as far as this replica knows. */
  readonly seconds: number;
}

type Info = Pick<ConsumerInfo, 'num_pending' | 'num_ack_pending' | 'num_redelivered'>;

/** What a consumer counts, and what it last heard from the server about itself. */
export class ConsumerMetrics implements Disposable {
  readonly #labels: { readonly durable: string };
  readonly #handled: Counter | undefined;
  readonly #parked: Counter | undefined;
  readonly #dropped: Counter | undefined;
  readonly #stops: (() => void)[] = [];
  #info: Info | undefined;
  #doneAt = Date.now();

  constructor(durable: string, telemetry: Pick<Telemetry, 'meter'> | undefined) {
    this.#labels = { durable };
    const meter = telemetry?.meter;
    this.#handled = meter?.createCounter('bus_handled_total', {
      description: 'Messages of durable consumers that were handled.',
    });
    this.#parked = meter?.createCounter('bus_parked_total', {
      description: 'Messages parked after their handler kept failing.',
    });
    this.#dropped = meter?.createCounter('bus_dropped_total', {
      description: 'Messages that will never pass, dropped since too many of their sender are parked.',
    });
    const gauge = (name: string, description: string, valueOf: (info: Info) => number) => {
      const made = meter?.createObservableGauge(name, { description });
      const observe = (result: ObservableResult) => {
        if (this.#info) result.observe(valueOf(this.#info), this.#labels);
      };
      made?.addCallback(observe);
      this.#stops.push(() => made?.removeCallback(observe));
    };
    gauge('bus_consumer_pending', 'Messages not yet delivered to the consumer.', (info) => info.num_pending);
    gauge('bus_consumer_unacknowledged', 'Messages delivered and not done.', (info) => info.num_ack_pending);
    gauge('bus_consumer_redelivered', 'Messages under way again.', (info) => info.num_redelivered);
  }

  /** What the server says of the consumer now. */
  set info(info: ConsumerInfo) {
    this.#info = info;
  }

  /** Messages were handled, the last of which the stream got at that time. */
  done(count: number, storedAt: number): void {
    this.#doneAt = storedAt;
    this.#handled?.add(count, this.#labels);
  }

  parked(): void {
    this.#parked?.add(1, this.#labels);
  }

  dropped(): void {
    this.#dropped?.add(1, this.#labels);
  }

  /** `waitingSince` is when the stream got the oldest message that waits here. */
  lag(waitingSince: number | undefined): ConsumerLag {
    const events = (this.#info?.num_pending ?? 0) + (this.#info?.num_ack_pending ?? 0);
    const since = waitingSince ?? (events > 0 ? this.#doneAt : Date.now());
    return { events, seconds: Math.max(0, (Date.now() - since) / 1000) };
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
  }
}
