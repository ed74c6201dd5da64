export type {
  Counter,
  Gauge,
  Histogram,
  Meter,
  ObservableGauge,
  ObservableResult,
  Span,
  Tracer,
  UpDownCounter,
} from '@opentelemetry/api';
export { type Cause, currentCause, inCause } from './cause.ts';
export { type LogFields, type LogFormat, type Logger, type LogLevel, logLevels } from './logger.ts';
export { durationBuckets } from './metrics.ts';
export {
  type LastError,
  type SilentTelemetry,
  silentTelemetry,
  startTelemetry,
  type Telemetry,
  type TelemetryOptions,
} from './telemetry.ts';
export {
  currentTraceparent,
  formatTraceparent,
  inSpan,
  parseTraceparent,
  type SpanOptions,
} from './tracing.ts';
