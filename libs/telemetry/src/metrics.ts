import type { Meter } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** Bucket bounds of durations, in seconds: from a cache hit to a timeout. */
export const durationBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

interface Metrics extends AsyncDisposable {
  readonly meter: Meter;
  text(): Promise<string>;
}

/** A meter of its own whose state is read as Prometheus text. No port is opened: the diagnostics listener serves it. */
export function openMetrics(name: string, resource: Resource): Metrics {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const serializer = new PrometheusSerializer('', false, undefined, false, true);
  const meter = provider.getMeter(name);
  observeProcess(meter);
  return {
    meter,
    text: async () => serializer.serialize((await reader.collect()).resourceMetrics),
    [Symbol.asyncDispose]: () => provider.shutdown(),
  };
}

function observeProcess(meter: Meter): void {
  meter
    .createObservableGauge('process_resident_memory_bytes', {
      description: 'Memory the process holds in RAM.',
    })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  meter
    .createObservableCounter('process_cpu_seconds_total', { description: 'CPU time the process used.' })
    .addCallback((result) => result.observe(cpuSeconds()));
  meter
    .createObservableGauge('nodejs_eventloop_utilization', {
      description: 'Share of time the event loop was busy.',
    })
    .addCallback(utilization());
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function utilization(): (result: { observe(value: number): void }) => void {
  let last = performance.eventLoopUtilization();
  return (result) => {
    const now = performance.eventLoopUtilization();
    result.observe(performance.eventLoopUtilization(now, last).utilization);
    last = now;
  };
}
