import { type LastError, silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { type HeartbeatBus, startHeartbeat } from './index.ts';

interface Sent {
  readonly subject: string;
  readonly body: Record<string, unknown>;
}

function fakeBus(isDown = false) {
  const sent: Sent[] = [];
  const asked = new Map<string, (message: { json(): unknown }) => void>();
  const bus: HeartbeatBus = {
    publish: (subject, body) => {
      if (isDown) throw new Error('the bus is down');
      sent.push({ subject, body: body as Sent['body'] });
    },
    subscribe: (subject, _, onMessage) => {
      asked.set(subject, onMessage);
      return { unsubscribe: () => void asked.delete(subject) };
    },
  };
  return { bus, sent, asked };
}

const telemetry = silentTelemetry();
const common = {
  identity: { agentId: 'a.1' },
  hostname: 'h',
  services: ['Kube'],
  telemetry,
};
const cluster = {
  name: 'demo',
  labels: {},
  origin: 'dynamic',
  health: 'online',
  kubeVersion: 'v1.33.0',
} as const;

describe('heartbeats', () => {
  test('begin at once, tell what is served, and go on', async () => {
    const { bus, sent } = fakeBus();
    const served = { revision: 7, clusters: [cluster] };
    await using _ = startHeartbeat({ ...common, bus, intervalMs: 5, servedReport: () => served });
    expect(sent[0]).toMatchObject({
      subject: 'agent.a=2e1.hb',
      body: { sequence: 0, servedRevision: 7, intervalMs: 5 },
    });
    expect(sent[1]).toMatchObject({
      subject: 'agent.a=2e1.served',
      body: { revision: 7, clusters: [cluster] },
    });
    await expect.poll(() => sent.length).toBeGreaterThan(3);
    expect(sent.map(({ body }) => body['run'])).toEqual(sent.map(() => sent[0]!.body['run']));
    expect(sent[3]!.body['sequence']).toBe(2);
  });

  test('repeat what is served when they are asked to, and when it changed', async () => {
    const { bus, sent, asked } = fakeBus();
    await using heartbeats = startHeartbeat({ ...common, bus, intervalMs: 60_000 });
    asked.get('cmd.a=2e1.served')!({ json: () => ({}) });
    heartbeats.reportServed();
    expect(sent.filter(({ subject }) => subject.endsWith('.served'))).toHaveLength(3);
  });

  test('answer a ping with its nonce and the time, and nothing else that is asked', async () => {
    const { bus, sent, asked } = fakeBus();
    await using _ = startHeartbeat({ ...common, bus, intervalMs: 60_000 });
    for (const body of [{ nonce: 'n1' }, { nonce: 7 }, {}, null])
      asked.get('cmd.a=2e1.ping')!({ json: () => body });
    const pongs = sent.filter(({ subject }) => subject === 'agent.a=2e1.pong');
    expect(pongs).toEqual([{ subject: 'agent.a=2e1.pong', body: { nonce: 'n1', at: expect.any(String) } }]);
    expect(Math.abs(Date.parse(String(pongs[0]!.body['at'])) - Date.now())).toBeLessThan(60_000);
  });

  test('tell the time, and what was logged last as a trouble', async () => {
    const { bus, sent } = fakeBus();
    const own = silentTelemetry();
    await using heartbeats = startHeartbeat({ ...common, telemetry: own, bus, intervalMs: 5 });
    expect(sent[0]!.body).not.toHaveProperty('lastError');
    own.log.warn('the cluster is away', { secret: 'x' });
    own.log.info('it is back');
    await expect
      .poll(() => sent.findLast(({ subject }) => subject.endsWith('.hb'))!.body['lastError'])
      .toEqual({ at: expect.any(String), message: 'the cluster is away' });
    own.log.error('long \ud800\0'.repeat(1000));
    const last = () =>
      sent.findLast(({ subject }) => subject.endsWith('.hb'))!.body['lastError'] as LastError;
    await expect.poll(() => last().message).toMatch(/^long \ufffd/);
    expect(last().message.length).toBeLessThanOrEqual(300);
    expect(last().message).not.toContain('\0');
    heartbeats.reportServed();
  });

  test('end with a goodbye', async () => {
    const { bus, sent, asked } = fakeBus();
    await startHeartbeat({ ...common, bus, intervalMs: 60_000 })[Symbol.asyncDispose]();
    expect(sent.at(-1)).toMatchObject({ subject: 'agent.a=2e1.bye' });
    expect(asked.size).toBe(0);
  });

  test('survive a bus that is down', async () => {
    const { bus } = fakeBus(true);
    await startHeartbeat({ ...common, bus, intervalMs: 60_000 })[Symbol.asyncDispose]();
    expect(telemetry.lines.join()).toContain('the bus is down');
  });
});
