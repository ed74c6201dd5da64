import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { currentTraceparent, inSpan, silentTelemetry } from '../src/index.ts';

/** Waits for a condition; the bound is for a machine that does much else. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000, interval: 20 });

const received: { readonly path: string; readonly body: string }[] = [];
let collector: Server;

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: Buffer.concat(chunks).toString() });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => {
    collector.listen(0, '127.0.0.1', resolve);
  });
  const { port } = collector.address() as AddressInfo;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${port}`;
});

afterAll(() => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  collector.closeAllConnections();
  collector.close();
});

test('spans reach the collector with their service, their parent and their trace', async () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  {
    await using telemetry = silentTelemetry('otlp-svc');
    const traced = () =>
      inSpan(telemetry.tracer, 'outer', { kind: 'SERVER', parent }, () => currentTraceparent());
    await eventually(traced).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    await inSpan(telemetry.tracer, 'outer', { parent }, () =>
      inSpan(telemetry.tracer, 'inner', {}, () => undefined),
    );
  }
  expect(received.every(({ path }) => path === '/v1/traces')).toBe(true);
  const sent = received.map(({ body }) => body).join('');
  expect(sent).toContain('"name":"inner"');
  expect(sent).toContain('"otlp-svc"');
  expect(sent).toContain('0af7651916cd43dd8448eb211c80319c');
});

test('a collector that is away does not hold up the end', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:9';
  process.env['OTEL_EXPORTER_OTLP_TIMEOUT'] = '200';
  const telemetry = silentTelemetry('lonely-svc');
  await eventually(() => inSpan(telemetry.tracer, 'work', {}, () => currentTraceparent())).toBeDefined();
  const start = performance.now();
  await telemetry[Symbol.asyncDispose]();
  expect(performance.now() - start).toBeLessThan(3_000);
  delete process.env['OTEL_EXPORTER_OTLP_TIMEOUT'];
});
