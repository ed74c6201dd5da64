import type { FactBatch } from '@postern/contracts';
import { silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { FactQueue } from './fact-queue.ts';

const at = new Date('2026-11-21T00:00:00Z');
const fact = (path = '/api') => ({ type: 'KubeRequestAudited', v: 1, data: { path } });

/** A bus that remembers what it was given and fails as often as it is told to. */
function fakeBus(failures = 0) {
  const sent: { msgId: string; ids: string[] }[] = [];
  let left = failures;
  return {
    sent,
    publishDurable: async (_: string, { facts }: FactBatch, { msgId }: { msgId: string }) => {
      sent.push({ msgId, ids: facts.map(({ id }) => id) });
      if (left-- > 0) throw new Error('no answer');
    },
  };
}

function queueOn(bus: ReturnType<typeof fakeBus>) {
  return new FactQueue({ bus, log: silentTelemetry().log, agentId: 'edge-1' });
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `fact-${index}`);

describe('facts', () => {
  test('that come together go together, in their order', async () => {
    const bus = fakeBus();
    await using queue = queueOn(bus);
    for (const id of ids(3)) queue.add(fact(), at, id);
    await queue.flush(1000);
    expect(bus.sent).toEqual([{ msgId: 'fact-0', ids: ids(3) }]);
    expect(queue.backlog).toBe(0);
  });

  test('go in messages of at most a hundred', async () => {
    const bus = fakeBus();
    await using queue = queueOn(bus);
    for (const id of ids(250)) queue.add(fact(), at, id);
    await queue.flush(1000);
    expect(bus.sent.map((batch) => batch.ids.length)).toEqual([100, 100, 50]);
    expect(bus.sent.flatMap((batch) => batch.ids)).toEqual(ids(250));
  });

  test('that are long share a message with fewer others', async () => {
    const bus = fakeBus();
    await using queue = queueOn(bus);
    for (const id of ids(10)) queue.add(fact(`/${'x'.repeat(16_000)}`), at, id);
    await queue.flush(1000);
    expect(bus.sent.map((batch) => batch.ids.length)).toEqual([3, 3, 3, 1]);
  });

  test('with many labels stay below what the bus takes in one message', async () => {
    const sizes: number[] = [];
    const bus = {
      publishDurable: async (_: string, batch: FactBatch) => {
        sizes.push(Buffer.byteLength(JSON.stringify(batch)));
      },
    };
    await using queue = new FactQueue({ bus, log: silentTelemetry().log, agentId: 'kube-1' });
    const labels = Object.fromEntries(ids(60).map((id) => [`team.example.com/${id}`, 'v'.repeat(60)]));
    for (const id of ids(100)) queue.add({ type: 'ClusterServed', v: 1, data: { labels } }, at, id);
    await queue.flush(1000);
    expect(Math.max(...sizes)).toBeLessThan(200_000);
  });

  test('go again in the same message under the same id when no answer came', async () => {
    const bus = fakeBus(1);
    await using queue = queueOn(bus);
    for (const id of ids(2)) queue.add(fact(), at, id);
    await queue.flush(0);
    queue.add(fact(), at, 'later');
    await queue.flush(2000);
    expect(bus.sent).toEqual([
      { msgId: 'fact-0', ids: ids(2) },
      { msgId: 'fact-0', ids: ids(2) },
      { msgId: 'later', ids: ['later'] },
    ]);
  });

  test('over the bound of the backlog are counted as lost', async () => {
    const bus = fakeBus(Infinity);
    const queue = queueOn(bus);
    for (const id of ids(20_005)) queue.add(fact(), at, id);
    expect([queue.backlog, queue.lost]).toEqual([20_000, 5]);
    bus.publishDurable = async () => {};
    await queue[Symbol.asyncDispose]();
    expect(queue.backlog).toBe(0);
  });
});
