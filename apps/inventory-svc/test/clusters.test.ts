import { type Bus, connectBus } from '@postern/bus';
import {
  type KubeServersReply,
  routesSubject,
  type RoutesReply,
  type ServedClustersReply,
} from '@postern/contracts';
import { assertionHeader, HeldIdentity, type IdentityMaterial, signAssertion } from '@postern/identity';
import { testNats, type TestNats, testPostgres, type TestPostgres } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeRoutes } from '@postern/http';
import { inventoryRoutes } from '../src/index.ts';
import {
  cluster,
  get,
  type Replica,
  startReplica,
  TestAgent,
  TestClusters,
  TestPolicy,
  TestTrust,
  eventually,
} from './support/inventory.ts';

let scope: AsyncDisposableStack;
let postgres: TestPostgres;
let nats: TestNats;
let inventory: Replica;
let second: Replica;
let bus: Bus;
let trust: TestTrust;
let edge: HeldIdentity;
let stranger: IdentityMaterial;
const policy = new TestPolicy();
const clusters = new TestClusters();

beforeAll(async () => {
  scope = new AsyncDisposableStack();
  [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  scope.use(postgres);
  scope.use(nats);
  trust = await TestTrust.make();
  const identity = new HeldIdentity(await trust.issue('svc', 'inventory-1', ['Auth']));
  edge = new HeldIdentity(await trust.issue('svc', 'edge-1', ['Proxy']));
  stranger = await trust.issue('agent', 'a1', ['Kube']);
  const options = { postgresUrl: postgres.url, natsUrl: nats.url, identity, policy: policy.policy, clusters };
  inventory = scope.use(await startReplica(options));
  second = scope.use(await startReplica(options));
  bus = scope.use(await connectBus({ servers: nats.url, name: 'agents' }));
  policy.role('everything', {
    allow: {
      kubernetes_labels: { '*': '*' },
      kubernetes_groups: ['g'],
      rules: [{ resources: ['instance', 'kube_server'], verbs: ['list'] }],
    },
  });
  policy.role('dev', { allow: { kubernetes_labels: { env: 'dev' }, kubernetes_groups: ['g'] } });
  policy.role('no-secret', { deny: { kubernetes_labels: { secret: 'yes' } } });
  policy.user('admin', 'everything');
  policy.user('dev', 'dev');
  policy.user('careful', 'everything', 'no-secret');
  policy.user('nobody');
});

afterAll(() => scope.disposeAsync());

/** A call as the edge forwards it. */
async function call(path: string, user: string, port = inventory.port) {
  const { principal } = new HeldIdentity(await trust.issue('user', user)).current();
  const about = { principal, requestId: 'r', sourceIp: '203.0.113.1' };
  const token = await signAssertion(edge.current(), about, { audience: 'inventory-svc', at: new Date() });
  return get(port, path, { as: edge.current(), headers: { [assertionHeader]: token } });
}

async function seen(user: string, port?: number): Promise<ServedClustersReply['clusters']> {
  const { status, body } = await call('/v1/inventory/clusters', user, port);
  expect(status).toBe(200);
  return (body as ServedClustersReply).clusters;
}

const names = async (user: string) => (await seen(user)).map(({ name }) => name);

describe('the clusters', () => {
  test('are those that online agents serve, soon, for each caller those of its roles (L-14)', async () => {
    for (const [name, labels] of Object.entries({
      prod: { env: 'prod', secret: 'yes' },
      dev: { env: 'dev' },
      idle: { env: 'dev' },
    })) {
      clusters.put(name, labels);
    }
    const agent = new TestAgent(bus, 'clusters-1');
    agent.beat();
    agent.serve(
      cluster('prod', { labels: { secret: 'no' } }),
      cluster('dev', { labels: { zone: 'z1' } }),
      cluster('unknown'),
    );
    await eventually(() => names('admin')).toEqual(['dev', 'prod']);
    expect(await names('dev')).toEqual(['dev']);
    expect(await names('careful')).toEqual(['dev']);
    expect(await names('nobody')).toEqual([]);
    const [dev] = await seen('dev', second.port);
    expect(dev).toEqual({
      name: 'dev',
      labels: { env: 'dev', zone: 'z1', 'teleport.dev/origin': 'dynamic' },
      health: 'online',
      condition: { state: 'unknown', reason: 'unknown', message: '' },
      kubeVersion: 'v1.31.0',
      agents: [{ agentId: 'clusters-1', hostname: 'host-of-clusters-1', version: '0.1.0' }],
    });
    agent.serve(cluster('dev', { health: 'offline' }));
    const healths = async () => (await seen('admin')).map(({ name, health }) => [name, health]);
    await eventually(healths).toEqual([['dev', 'offline']]);
    agent.goodbye();
    await eventually(() => names('admin')).toEqual([]);
  });

  test('end with their resource, whoever still serves them', async () => {
    clusters.put('brief', { env: 'dev' });
    const agent = new TestAgent(bus, 'clusters-2');
    agent.beat();
    agent.serve(cluster('brief'));
    await eventually(() => names('admin')).toContain('brief');
    clusters.remove('brief');
    expect(await names('admin')).not.toContain('brief');
    agent.goodbye();
  });

  test('are listed agent by agent, with how they are there, for who may list kube_server', async () => {
    clusters.put('sick', { env: 'dev' });
    const agent = new TestAgent(bus, 'clusters-9');
    const condition = { state: 'unhealthy', reason: 'permissions', message: 'no rights' } as const;
    agent.beat();
    agent.serve(cluster('sick', { condition }));
    const servers = async () => (await call('/v1/inventory/kube_servers', 'admin')).body as KubeServersReply;
    await eventually(async () => (await servers()).servers).toMatchObject([
      { agentId: 'clusters-9', hostname: 'host-of-clusters-9', cluster: { name: 'sick', condition } },
    ]);
    const [sick] = (await servers()).servers;
    expect(Date.parse(sick!.expires)).toBeGreaterThan(Date.now());
    expect((await call('/v1/inventory/kube_servers', 'dev')).status).toBe(403);
    clusters.remove('sick');
    expect((await servers()).servers).toEqual([]);
    agent.goodbye();
  });

  test('follow the reports of the run that is alive', async () => {
    clusters.put('one', {});
    clusters.put('two', {});
    const agent = new TestAgent(bus, 'clusters-3');
    agent.beat();
    agent.revision = 10;
    agent.serve(cluster('one'));
    await eventually(() => names('admin')).toEqual(['one']);
    agent.restart();
    agent.beat();
    agent.serve(cluster('two'));
    await eventually(() => names('admin')).toEqual(['two']);
    agent.revision = 0;
    agent.clusters = [cluster('one')];
    agent.report();
    agent.serve(cluster('one'), cluster('two'));
    await eventually(() => names('admin')).toEqual(['one', 'two']);
    agent.goodbye();
  });

  test('are told to edges as reports', async () => {
    const agent = new TestAgent(bus, 'clusters-4');
    agent.beat();
    agent.serve(cluster('prod'));
    const reports = async () => ((await bus.request(routesSubject, {})) as RoutesReply).reports;
    await eventually(async () => (await reports()).map(({ agentId }) => agentId)).toEqual(['clusters-4']);
    expect((await reports())[0]).toMatchObject({
      revision: 1,
      clusters: [cluster('prod')],
    });
    agent.goodbye();
    await eventually(reports).toEqual([]);
  });
});

describe('a caller', () => {
  const rows: [string, string, number][] = [
    ['admin', '/v1/inventory/agents', 200],
    ['admin', '/v1/inventory/status', 200],
    ['admin', '/v1/inventory/clusters', 200],
    ['dev', '/v1/inventory/agents', 403],
    ['dev', '/v1/inventory/status', 403],
    ['dev', '/v1/inventory/clusters', 200],
    ['ghost', '/v1/inventory/agents', 403],
    ['ghost', '/v1/inventory/clusters', 403],
    ['admin', '/v1/inventory/agents?connected=maybe', 400],
    ['admin', '/v1/inventory/agents?since=x', 400],
  ];
  test.each(rows)('called %s at %s gets %i', async (user, path, status) => {
    expect((await call(path, user)).status).toBe(status);
  });

  test('that is an agent or the edge itself gets nothing', async () => {
    for (const { url } of inventoryRoutes.filter(({ method, params }) => method === 'GET' && !params)) {
      expect((await get(inventory.port, url, { as: stranger })).status).toBe(403);
      expect((await get(inventory.port, url, { as: edge.current() })).status).toBe(403);
    }
  });

  test('is told to wait while the policy is too old to decide by', async () => {
    policy.ageMs = 400_000;
    expect(await call('/v1/inventory/clusters', 'admin')).toMatchObject({
      status: 503,
      body: { code: 'inventory.policy_too_old' },
    });
    policy.ageMs = 0;
  });

  test('needs a rule for every operation', () => {
    expect(describeRoutes(inventoryRoutes)).toEqual(
      expect.arrayContaining([
        { method: 'GET', url: '/v1/inventory/status', allow: 'rule list on instance' },
        { method: 'GET', url: '/v1/inventory/agents', allow: 'rule list on instance' },
        {
          method: 'GET',
          url: '/v1/inventory/clusters',
          allow: 'a user; sees the clusters that its roles select',
        },
        { method: 'GET', url: '/v1/events/inventory', allow: 'rule read on event' },
        { method: 'GET', url: '/v1/events/inventory/parked', allow: 'rule list on event' },
        { method: 'GET', url: '/v1/events/inventory/parked/:id', allow: 'rule read on event' },
        { method: 'POST', url: '/v1/events/inventory/parked/:id/retry', allow: 'rule update on event' },
        { method: 'POST', url: '/v1/events/inventory/parked/retry', allow: 'rule update on event' },
        { method: 'DELETE', url: '/v1/events/inventory/parked/:id', allow: 'rule delete on event' },
      ]),
    );
    const others = inventoryRoutes.filter(({ allow }) => typeof allow !== 'function');
    expect(others.map(({ allow, method, url }) => `${String(allow)} ${method} ${url}`)).toEqual([
      'service POST /v1/recordings/:id',
      'service PUT /v1/recordings/:id/parts/:offset',
    ]);
  });
});

describe('the agents', () => {
  test('are listed with their presence, or those online alone', async () => {
    const here = new TestAgent(bus, 'listed-here');
    const gone = new TestAgent(bus, 'listed-gone');
    here.beat({ services: ['Kube', 'Discovery'] });
    gone.beat();
    const list = async (query = '') => {
      const { body } = await call(`/v1/inventory/agents${query}`, 'admin');
      const agents = body['agents'] as { agentId: string; presence: string }[];
      return agents
        .filter(({ agentId }) => agentId.startsWith('listed-'))
        .map(({ agentId, presence }) => [agentId, presence]);
    };
    await eventually(() => list()).toHaveLength(2);
    gone.goodbye();
    await eventually(() => list('?connected=true')).toEqual([['listed-here', 'online']]);
    expect(await list()).toEqual([
      ['listed-gone', 'offline'],
      ['listed-here', 'online'],
    ]);
    const { body } = await call('/v1/inventory/status', 'admin');
    expect(body).toMatchObject({
      versions: { '0.1.0': expect.any(Number) as number },
      services: { Discovery: 1 },
    });
  });

  test('that were lost count until the time for that is over, and those online always', async () => {
    const identity = new HeldIdentity(await trust.issue('svc', 'inventory-3', ['Auth']));
    const shared = { postgresUrl: postgres.url, natsUrl: nats.url, policy: policy.policy, clusters };
    await using forgetful = await startReplica({ ...shared, identity, config: { retentionMs: 0 } });
    const stays = new TestAgent(bus, 'counted-stays');
    const gone = new TestAgent(bus, 'counted-gone');
    stays.beat({ version: '0.0.7' });
    gone.beat({ version: '0.0.7' });
    const counted = async (port: number) => {
      const { body } = await call('/v1/inventory/status', 'admin', port);
      return (body['versions'] as Record<string, number>)['0.0.7'];
    };
    await eventually(() => counted(forgetful.port)).toBe(2);
    gone.goodbye();
    await eventually(() => counted(forgetful.port)).toBe(1);
    expect(await counted(inventory.port)).toBe(2);
  });
});
