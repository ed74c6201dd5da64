import { startHeartbeat } from '@postern/agent';
import { type Bus, connectBus } from '@postern/bus';
import { agentSubjects, type AgentsReply, type AgentView, commandSubjects } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { assertionHeader, HeldIdentity, signAssertion } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { testNats, testPostgres } from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  cluster,
  eventually,
  type Replica,
  send,
  startReplica,
  TestAgent,
  TestClusters,
  TestPolicy,
  TestTrust,
} from './support/inventory.ts';

let scope: AsyncDisposableStack;
let one: Replica;
let other: Replica;
let bus: Bus;
let trust: TestTrust;
let edge: HeldIdentity;
const policy = new TestPolicy();

beforeAll(async () => {
  scope = new AsyncDisposableStack();
  const [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  scope.use(postgres);
  scope.use(nats);
  trust = await TestTrust.make();
  const identity = new HeldIdentity(await trust.issue('svc', 'inventory-1', ['Auth']));
  edge = new HeldIdentity(await trust.issue('svc', 'edge-1', ['Proxy']));
  const clusters = new TestClusters();
  const options = { postgresUrl: postgres.url, natsUrl: nats.url, identity, policy: policy.policy, clusters };
  one = scope.use(await startReplica(options));
  other = scope.use(await startReplica(options));
  bus = scope.use(await connectBus({ servers: nats.url, name: 'agents' }));
  policy.role('everything', {
    allow: { rules: [{ resources: ['instance'], verbs: ['list', 'read'] }] },
  });
  policy.role('lister', { allow: { rules: [{ resources: ['instance'], verbs: ['list'] }] } });
  policy.user('admin', 'everything');
  policy.user('lister', 'lister');
});

afterAll(() => scope.disposeAsync());

/** A call as the edge forwards it. */
async function call(path: string, { user = 'admin', method = 'GET', port = one.port } = {}) {
  const { principal } = new HeldIdentity(await trust.issue('user', user)).current();
  const about = { principal, requestId: 'r', sourceIp: '203.0.113.1' };
  const token = await signAssertion(edge.current(), about, { audience: 'inventory-svc', at: new Date() });
  return send(port, path, { as: edge.current(), headers: { [assertionHeader]: token }, method });
}

const shown = async (id: string) => (await call(`/v1/inventory/agents/${id}`)).body as { agent: AgentView };

describe('an agent', () => {
  test('is shown with its clock, its last error and what it serves', async () => {
    const agent = new TestAgent(bus, 'shown.1');
    const sentAt = new Date(Date.now() + 60_000).toISOString();
    agent.beat({ sentAt, lastError: { at: '2026-11-28T11:30:00.000Z', message: 'a cluster is away' } });
    agent.serve(cluster('prod'));
    await eventually(() => shown('shown.1')).toMatchObject({
      agent: { agentId: 'shown.1', presence: 'online', lastError: { message: 'a cluster is away' } },
      clusters: [{ name: 'prod', health: 'online', condition: { state: 'unknown' } }],
    });
    const { clockOffsetMs } = (await shown('shown.1')).agent;
    expect(clockOffsetMs).toBeGreaterThan(30_000);
    expect(clockOffsetMs).toBeLessThanOrEqual(60_000);
    const discovery = { group: 'prod', sources: ['eks/111111111111/eu-west-1/0a1b'], total: 1 };
    agent.beat({ discovery });
    await eventually(async () => (await shown('shown.1')).agent.discovery).toEqual(discovery);
    agent.restart();
    agent.beat();
    await eventually(async () => (await shown('shown.1')).agent.lastError).toBeUndefined();
  });

  test('that was never heard of is not found', async () => {
    for (const method of ['GET', 'POST'])
      expect(
        await call(`/v1/inventory/agents/nobody${method === 'POST' ? '/ping' : ''}`, { method }),
      ).toMatchObject({ status: 404, body: { code: 'inventory.agent_unknown' } });
  });

  test('is shown and pinged by whoever may read instances only', async () => {
    expect((await call('/v1/inventory/agents/shown.1', { user: 'lister' })).status).toBe(403);
    expect((await call('/v1/inventory/agents/shown.1/ping', { user: 'lister', method: 'POST' })).status).toBe(
      403,
    );
  });

  test.each([
    ['a remark', '2026-11-28T11:30:00Z (now)'],
    ['the year 0', '0000-01-01T00:00:00Z'],
    ['a far zone', '2026-11-28T11:30:00+23:00'],
    ['words', 'yesterday'],
  ])('that writes times with %s keeps nobody else from being written', async (name, time) => {
    const bad = new TestAgent(bus, `bad ${name}`);
    bad.beat({ sentAt: time });
    bad.beat({ startedAt: time });
    bad.beat({ lastError: { at: time, message: 'x' } });
    const good = new TestAgent(bus, `good ${name}`);
    good.beat();
    await eventually(
      async () => (await call(`/v1/inventory/agents/${encodeURIComponent(`good ${name}`)}`)).status,
    ).toBe(200);
    expect((await call(`/v1/inventory/agents/${encodeURIComponent(`bad ${name}`)}`)).status).toBe(404);
  });
});

describe('a ping', () => {
  test('is answered by the agent, whichever replica asks', async () => {
    await using telemetry = silentTelemetry();
    const clock = () => new Date(Date.now() - 3_600_000);
    await using _ = startHeartbeat({
      bus,
      identity: { agentId: 'pinged' },
      hostname: 'h',
      services: ['Kube'],
      intervalMs: 1_000,
      telemetry,
      clock,
    });
    await bus.flush();
    for (const { port } of [one, other]) {
      const ping = () => call('/v1/inventory/agents/pinged/ping', { method: 'POST', port });
      await eventually(async () => (await ping()).status).toBe(200);
      const { body } = await ping();
      expect(body).toMatchObject({ agentId: 'pinged' });
      expect(body['roundTripMs']).toBeGreaterThan(0);
      expect(Math.abs(Number(body['clockOffsetMs']) + 3_600_000)).toBeLessThan(60_000);
    }
  });

  test('is not answered by another agent in its place', async () => {
    new TestAgent(bus, 'silent').beat();
    const liar = bus.subscribe(commandSubjects.ping('silent'), {}, (message) => {
      const { nonce } = message.json() as { nonce: string };
      bus.publish(agentSubjects.pong('liar'), { nonce, at: systemClock().toISOString() });
      bus.publish(agentSubjects.pong('silent'), { nonce, at: 'soon' });
      bus.publish(agentSubjects.pong('silent'), { nonce: 'another', at: systemClock().toISOString() });
    });
    await bus.flush();
    await eventually(async () => (await call('/v1/inventory/agents/silent')).status).toBe(200);
    const { status, body } = await call('/v1/inventory/agents/silent/ping', { method: 'POST' });
    liar.unsubscribe();
    expect([status, body['code']]).toEqual([503, 'inventory.agent_silent']);
    expect(body['detail']).toMatch(/did not answer within 5 s; it was last heard of at 20/);
  });
});

describe('many agents', () => {
  test('are listed page by page, and counted', async () => {
    await sql`
      insert into agent (agent_id, run, started_at, sequence, interval_ms, last_seen, version, hostname, services, served_revision, presence)
      select 'many-' || lpad(n::text, 5, '0'), 'r', now(), 0, 3600000, now(), '9.9.' || n % 2, 'h', '{Kube,Node}', 0, 'online'
      from generate_series(1, 4100) n`.execute(one.store.db);
    const ids: string[] = [];
    for (let after = 'many-'; ; after = ids.at(-1)!) {
      const { body } = await call(`/v1/inventory/agents?connected=true&after=${after}`);
      const page = body as AgentsReply;
      ids.push(...page.agents.map(({ agentId }) => agentId).filter((id) => id.startsWith('many-')));
      if (page.isLast) break;
    }
    expect(ids).toHaveLength(4100);
    expect(new Set(ids).size).toBe(4100);
    expect((await call('/v1/inventory/status')).body).toMatchObject({
      versions: { '9.9.0': 2050, '9.9.1': 2050 },
      services: { Node: 4100 },
    });
  });
});
