import type { Meter, Tracer } from '@opentelemetry/api';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { systemClock, uuidv7, version } from '@postern/core';
import { readTraceSettings } from './config.ts';
import { type LogFormat, type Logger, type LogLevel, makeLogger } from './logger.ts';
import { openMetrics } from './metrics.ts';
import { openTraces } from './traces.ts';

/** What a part tells about itself while it runs. */
export interface Telemetry extends AsyncDisposable {
  readonly log: Logger;
  readonly meter: Meter;
  readonly tracer: Tracer;
  /** The last warning or error that was logged: its constant sentence, without fields. */
  lastError(): LastError | undefined;
  /** Every metric as Prometheus text. */
  metrics(): Promise<string>;
}

/** What was last logged as a warning or an error. */
export interface LastError {
  readonly at: Date;
  readonly message: string;
}

/** How talkative the log is and how it is written. */
export interface TelemetryOptions {
  readonly level?: LogLevel;
  readonly format?: LogFormat;
}

/** Telemetry that remembers its log lines, of every level, instead of writing them. */
export interface SilentTelemetry extends Telemetry {
  /** The rendered records, oldest first: a test looks for secrets in them. */
  readonly lines: readonly string[];
}

/**
 * Starts logs on stderr, metrics, and traces where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.
 * `name` is the service's, on every record and metric.
 */
export function startTelemetry(
  name: string,
  { level = 'info', format = 'json' }: TelemetryOptions = {},
): Telemetry {
  const write = (line: string) => void process.stderr.write(`${line}\n`);
  return assemble(name, { level, format, write });
}

/** Telemetry for tests. */
export function silentTelemetry(name = 'test'): SilentTelemetry {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { ...assemble(name, { level: 'debug', format: 'json', write }), lines };
}

interface Log extends Required<TelemetryOptions> {
  readonly write: (line: string) => void;
}

function assemble(name: string, options: Log): Telemetry {
  let lastError: LastError | undefined;
  const onTrouble = (at: Date, message: string) => (lastError = { at, message });
  const log = makeLogger({ name, ...options, now: systemClock, onTrouble });
  const resource = resourceOf(name);
  const metrics = openMetrics(name, resource);
  const traces = openTraces(name, readTraceSettings(), resource);
  return {
    log,
    meter: metrics.meter,
    tracer: traces.tracer,
    lastError: () => lastError,
    metrics: () => metrics.text(),
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled([traces[Symbol.asyncDispose](), metrics[Symbol.asyncDispose]()]);
    },
  };
}

function resourceOf(name: string): Resource {
  const own = { 'service.name': name, 'service.version': version, 'service.instance.id': uuidv7() };
  return detectResources({ detectors: [envDetector] }).merge(resourceFromAttributes(own));
}
