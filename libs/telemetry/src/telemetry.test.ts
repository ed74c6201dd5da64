import { describe, expect, test } from 'vitest';
import { readTraceSettings } from './config.ts';
import { currentTraceparent, formatTraceparent, inSpan, parseTraceparent } from './tracing.ts';
import { silentTelemetry } from './telemetry.ts';

describe('metrics', () => {
  test('are Prometheus text with the counters, histograms and the process', async () => {
    await using telemetry = silentTelemetry('x-svc');
    telemetry.meter.createCounter('things_total', { description: 'Things.' }).add(2, { kind: 'a"b\n' });
    telemetry.meter.createHistogram('thing_duration_seconds').record(0.2);
    const text = await telemetry.metrics();
    expect(text).toContain('# HELP things_total Things.');
    expect(text).toContain('things_total{kind="a\\"b\\n"} 2');
    expect(text).toContain('thing_duration_seconds_bucket');
    expect(text).toMatch(/process_resident_memory_bytes \d+/);
    expect(text).toContain('service_name="x-svc"');
  });

  test('of two services in one process are apart', async () => {
    await using one = silentTelemetry('one');
    await using two = silentTelemetry('two');
    one.meter.createCounter('only_one_total').add(1);
    expect(await one.metrics()).toContain('only_one_total 1');
    expect(await two.metrics()).not.toContain('only_one_total');
  });
});

describe('a traceparent', () => {
  const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  test('is read and written', () => {
    expect(formatTraceparent(parseTraceparent(valid)!)).toBe(valid);
  });

  test.each([
    undefined,
    '',
    'x',
    `${valid}-more`,
    valid.toUpperCase(),
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    `01${valid.slice(2)}`,
  ])('that is malformed is none: %s', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});

describe('a span', () => {
  test('answers what its work answers and lets its failure through, without a collector too', async () => {
    await using telemetry = silentTelemetry();
    expect(await inSpan(telemetry.tracer, 'work', { kind: 'SERVER' }, () => 7)).toBe(7);
    await expect(inSpan(telemetry.tracer, 'work', {}, () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(currentTraceparent()).toBeUndefined();
  });
});

describe('trace settings', () => {
  test.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/v1/traces' }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_TRACES_EXPORTER: 'none' }, false],
  ])('%o trace: %s', (env: Record<string, string>, enabled) => {
    expect(readTraceSettings(env).enabled).toBe(enabled);
  });
});
