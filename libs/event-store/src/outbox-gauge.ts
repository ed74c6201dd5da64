import type { Telemetry } from '@postern/telemetry';

/** How many events are not known to be published, and when the oldest of them was recorded. */
export interface Backlog {
  readonly rows: number;
  readonly oldestAt: Date | undefined;
}

// A replica that does not lead knows nothing newer than this, and says nothing.
const believedMs = 15_000;

/** The backlog as metrics, also while the log cannot be reached: that is when it is looked at. */
export class OutboxGauge {
  #backlog: Backlog = { rows: 0, oldestAt: undefined };
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(telemetry: Pick<Telemetry, 'meter'> | undefined) {
    const gauge = (name: string, description: string, value: () => number) =>
      telemetry?.meter.createObservableGauge(name, { description }).addCallback((result) => {
        if (performance.now() - this.#measuredAt < believedMs) result.observe(value());
      });
    gauge('es_outbox_rows', 'Events not yet known to be published.', () => this.#backlog.rows);
    gauge('es_outbox_oldest_seconds', 'Age of the oldest unpublished event.', () => this.#ageSeconds());
  }

  /** When it was measured last, in milliseconds of `performance.now()`. */
  get measuredAt(): number {
    return this.#measuredAt;
  }

  set(backlog: Backlog): void {
    this.#backlog = backlog;
    this.#measuredAt = performance.now();
  }

  #ageSeconds(): number {
    const { oldestAt } = this.#backlog;
    return oldestAt ? Math.max(0, (Date.now() - oldestAt.getTime()) / 1000) : 0;
  }
}
