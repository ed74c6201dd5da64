import { type Bus, type Consumption, projectionConsumer } from '@postern/bus';
import type { EventStore, Parking } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import { applyBatch, Superseded } from './apply-batch.ts';
import type { Projection } from './projection.ts';
import { measureLag } from './projection-metrics.ts';
import { rebuildChanged } from './rebuild.ts';

/** Projections that follow the bus. */
export interface RunOptions<Db> {
  readonly store: EventStore<Db>;
  readonly bus: Bus;
  readonly parking: Parking<Db>;
  readonly projections: readonly Projection<Db>[];
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

/**
 * Runs projections behind the bus, each by a durable consumer of the service's own event stream. What is new or of an older
 * version is rebuilt first; what was parked is tried again, since this program may be a better one.
 */
export async function runProjections<Db>(options: RunOptions<Db>): Promise<AsyncDisposable> {
  const { store, parking, projections } = options;
  await rebuildChanged(store, projections, { isFollowing: true });
  await using opening = new AsyncDisposableStack();
  for (const projection of projections) {
    opening.use(run(options, projection));
    await parking.retryAll(projectionConsumer(store.context, projection.name).durable);
  }
  return opening.move();
}

/** Follows until it is closed, or until a program of another version has taken the rows over. */
function run<Db>(
  { store, bus, parking, telemetry }: RunOptions<Db>,
  projection: Projection<Db>,
): AsyncDisposable {
  const { name, version } = projection;
  const consumption: Consumption = bus.consumeBatches({
    ...projectionConsumer(store.context, name),
    parking,
    async handler(messages) {
      try {
        await store.transaction((trx) => applyBatch({ store, projection, trx }, messages));
      } catch (error) {
        if (Superseded.is(error)) stop();
        throw error;
      }
    },
  });
  const stopMeasuring = measureLag(telemetry, name, () => consumption.lag());
  let ending: Promise<void> | undefined;
  const end = () => (ending ??= Promise.resolve(consumption[Symbol.asyncDispose]()));
  const stop = () => {
    telemetry?.log.warn('a projection is left to a program of another version', {
      projection: name,
      version,
    });
    void end();
  };
  return {
    async [Symbol.asyncDispose]() {
      stopMeasuring();
      await end();
    },
  };
}
