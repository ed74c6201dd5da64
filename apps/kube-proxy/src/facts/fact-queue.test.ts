import type { FactBatch } from '@postern/contracts';
import { silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { FactQueue } from './fact-queue.ts';

/** A bus that remembers what it was given and fails as often as it is told to. */
function fakeBus(failures = 0) {
  const sent: { subject: string; msgId: string; ids: string[]; bytes: number }[] = [];
  let left = failures;
  return {
    sent,
    publishDurable: async (subject: string, message: Uint8Array, { msgId }: { msgId: string }) => {
      const { facts } = JSON.parse(Buffer.from(message).toString()) as FactBatch;
      sent.push({ subject, msgId, ids: facts.map(({ id }) => id), bytes: message.length });
      if (left-- > 0) throw new Error('no answer');
    },
  };
}

function queueOn(bus: ReturnType<typeof fakeBus>) {
  const acknowledged: string[] = [];
  const queue = new FactQueue<string>({
    bus,
    log: silentTelemetry().log,
    agentId: 'edge-1',
    acknowledged: (sources) => acknowledged.push(...sources),
  });
  const add = (id: string, type = 'KubeRequestAudited', data: object = {}) =>
    queue.add({ type, text: JSON.stringify({ id, type, v: 1, at: '', data }), source: id });
  return { queue, add, acknowledged };
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `fact-${index}`);

describe('facts', () => {
  test('that come together go together, in their order', async () => {
    const bus = fakeBus();
    const { queue, add, acknowledged } = queueOn(bus);
    for (const id of ids(3)) add(id);
    await queue.flush(1000);
    expect(bus.sent).toMatchObject([{ ids: ids(3) }]);
    expect(queue.backlog).toBe(0);
    expect(acknowledged).toEqual(ids(3));
    await queue[Symbol.asyncDispose]();
  });

  test('of sessions and streams go with those of requests, others by themselves', async () => {
    const bus = fakeBus();
    const { queue, add } = queueOn(bus);
    const types = ['KubeRequestAudited', 'KubeSessionStarted', 'ClusterServed', 'KubeStreamEnded'];
    for (const [at, type] of types.entries()) add(`fact-${at}`, type);
    await queue.flush(1000);
    expect(bus.sent.map(({ subject, ids: sent }) => [subject, sent])).toEqual([
      ['agent.edge-1.fact.KubeRequestAudited', ['fact-0', 'fact-1', 'fact-3']],
      ['agent.edge-1.fact.ClusterServed', ['fact-2']],
    ]);
    await queue[Symbol.asyncDispose]();
  });

  test('go in messages of at most a hundred', async () => {
    const bus = fakeBus();
    const { queue, add } = queueOn(bus);
    for (const id of ids(250)) add(id);
    await queue.flush(1000);
    expect(bus.sent.map((batch) => batch.ids.length)).toEqual([100, 100, 50]);
    expect(bus.sent.flatMap((batch) => batch.ids)).toEqual(ids(250));
    await queue[Symbol.asyncDispose]();
  });

  test('that are long share a message with fewer others, which stays below what the bus takes', async () => {
    const bus = fakeBus();
    const { queue, add } = queueOn(bus);
    for (const id of ids(10)) add(id, 'KubeRequestAudited', { path: '€'.repeat(16_000) });
    await queue.flush(1000);
    expect(bus.sent.map((batch) => batch.ids.length)).toEqual([3, 3, 3, 1]);
    expect(Math.max(...bus.sent.map(({ bytes }) => bytes))).toBeLessThan(200_000);
    await queue[Symbol.asyncDispose]();
  });

  test('go again in the same message under the same id when no answer came', async () => {
    const bus = fakeBus(1);
    const { queue, add, acknowledged } = queueOn(bus);
    for (const id of ids(2)) add(id);
    await queue.flush(0);
    add('later');
    await queue.flush(2000);
    expect(bus.sent).toMatchObject([{ ids: ids(2) }, { ids: ids(2) }, { ids: ['later'] }]);
    expect(acknowledged).toEqual([...ids(2), 'later']);
    await queue[Symbol.asyncDispose]();
    const [first, again, later] = bus.sent;
    expect(again!.msgId).toBe(first!.msgId);
    expect(later!.msgId).not.toBe(first!.msgId);
  });

  test('that a killed process had sent are no reason to take those behind them for known', async () => {
    const bus = fakeBus();
    const before = queueOn(bus);
    before.add('fact-0');
    await before.queue.flush(1000);
    const after = queueOn(bus);
    for (const id of ids(2)) after.add(id);
    await after.queue.flush(1000);
    expect(bus.sent.map((message) => message.ids)).toEqual([ids(1), ids(2)]);
    expect(bus.sent[1]!.msgId).not.toBe(bus.sent[0]!.msgId);
  });
});
