import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { currentTraceparent, type SilentTelemetry, silentTelemetry } from '@postern/telemetry';
import { memoryParking, testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allStreams, type Bus, connectBus } from '../src/index.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}

const consumerKind = 5;
let scope: AsyncDisposableStack;
let collector: Server;
let telemetry: SilentTelemetry;
let bus: Bus;
const spans: Span[] = [];

beforeAll(async () => {
  scope = new AsyncDisposableStack();
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      spans.push(...spansIn(Buffer.concat(chunks).toString()));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${port}`;
  process.env['OTEL_BSP_SCHEDULE_DELAY'] = '100';
  telemetry = scope.use(silentTelemetry('traced-svc'));
  await until('spans are recorded', () => telemetry.tracer.startSpan('warm').isRecording());
  const nats = scope.use(await testNats());
  bus = scope.use(await connectBus({ servers: nats.url, name: 'test', telemetry }));
  await bus.reconcileStreams(allStreams());
});

afterAll(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  delete process.env['OTEL_BSP_SCHEDULE_DELAY'];
  await scope.disposeAsync();
  collector.closeAllConnections();
  collector.close();
});

function spansIn(body: string): Span[] {
  const { resourceSpans } = JSON.parse(body) as {
    resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
  };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans));
}

const traceIds = ['a', 'b'].map((letter) => letter.repeat(32));
const traceparent = (at: number) => `00-${traceIds[at]}-${'c'.repeat(16)}-01`;
const publish = (agent: string, at: number) =>
  bus.publishDurable(
    `evt.join.00.thing.${agent}.ThingHappened`,
    {},
    { headers: { traceparent: traceparent(at) } },
  );
const spanOf = (durable: string) =>
  until('the span is there', () => spans.find(({ name }) => name === `process ${durable}`));

describe('the span of a consumer', () => {
  test('of one message is a child of who published it, and what happens in it is in that trace', async () => {
    await publish('one', 0);
    let inside: string | undefined;
    await using _ = bus.consume({
      stream: 'EVT_JOIN',
      durable: 'traced_one',
      filterSubject: 'evt.join.00.thing.one.>',
      parking: memoryParking(),
      handler: async () => void (inside = currentTraceparent()),
    });
    expect(await spanOf('traced_one')).toMatchObject({
      kind: consumerKind,
      traceId: traceIds[0],
      parentSpanId: 'c'.repeat(16),
      links: [{ traceId: traceIds[0] }],
    });
    expect(inside).toContain(traceIds[0]);
  });

  test('of many messages has a link to each', async () => {
    await publish('many', 0);
    await publish('many', 1);
    const sizes: number[] = [];
    const handler = async (messages: readonly unknown[]) => void sizes.push(messages.length);
    // The first two are delivered together to who comes late.
    await using _ = bus.consumeBatches({
      stream: 'EVT_JOIN',
      durable: 'traced_many',
      filterSubject: 'evt.join.00.thing.many.>',
      parking: memoryParking(),
      handler,
    });
    await until('both are handled', () => sizes.reduce((sum, size) => sum + size, 0) === 2);
    const linked = () =>
      spans.filter(({ name }) => name === 'process traced_many').flatMap(({ links = [] }) => links);
    await until('both are linked', () => linked().length === 2);
    expect(linked().map(({ traceId }) => traceId)).toEqual(traceIds);
  });
});
