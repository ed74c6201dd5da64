import type { ConsumerLag } from '@postern/bus';
import type { ObservableResult, Telemetry } from '@postern/telemetry';

/** Shows how far a projection is behind its events. Returns how to stop. */
export function measureLag(
  telemetry: Pick<Telemetry, 'meter'> | undefined,
  projection: string,
  lag: () => ConsumerLag,
): () => void {
  const events = telemetry?.meter.createObservableGauge('projection_lag_events', {
    description: 'Events recorded and published that are not in the rows yet.',
  });
  const seconds = telemetry?.meter.createObservableGauge('projection_lag_seconds', {
    description: 'Age of the oldest event that is not in the rows yet.',
  });
  const observe = (pick: keyof ConsumerLag) => (result: ObservableResult) =>
    result.observe(lag()[pick], { projection });
  const [inEvents, inSeconds] = [observe('events'), observe('seconds')];
  events?.addCallback(inEvents);
  seconds?.addCallback(inSeconds);
  return () => {
    events?.removeCallback(inEvents);
    seconds?.removeCallback(inSeconds);
  };
}
