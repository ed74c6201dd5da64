/** What the standard `OTEL_*` variables say about traces. The exporter reads the rest of them (headers, TLS) itself. */
export interface TraceSettings {
  /** Whether spans are made and sent: only where somebody named a collector. */
  readonly enabled: boolean;
  readonly sampler: string;
  readonly samplerArg: string;
}

/** Reads the `OTEL_*` variables that decide about traces. */
export function readTraceSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): TraceSettings {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const isOff = env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
  return {
    enabled: Boolean(endpoint) && !isOff,
    sampler: env['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on',
    samplerArg: env['OTEL_TRACES_SAMPLER_ARG'] ?? '',
  };
}
