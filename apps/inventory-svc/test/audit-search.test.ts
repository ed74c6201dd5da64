import { type Bus, connectBus } from '@postern/bus';
import { agentSubjects, type FactMessage } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { assertionHeader, HeldIdentity, signAssertion } from '@postern/identity';
import { testNats, type TestNats, testPostgres, type TestPostgres } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  eventually,
  get,
  type Replica,
  startReplica,
  TestClusters,
  TestPolicy,
  TestTrust,
} from './support/inventory.ts';

let postgres: TestPostgres;
let nats: TestNats;
let bus: Bus;
let trust: TestTrust;
let replica: Replica;
let edge: HeldIdentity;
const start = Date.parse('2026-03-01T10:00:00.000Z');

beforeAll(async () => {
  [postgres, nats, trust] = await Promise.all([testPostgres(), testNats(), TestTrust.make()]);
  bus = await connectBus({ servers: nats.url, name: 'edge-1' });
  const written = new TestPolicy();
  written.role('auditor', { allow: { rules: [{ resources: ['event'], verbs: ['list', 'read'] }] } });
  written.role('lister', { allow: { rules: [{ resources: ['event'], verbs: ['list'] }] } });
  written.user('ann', 'auditor');
  written.user('lou', 'lister');
  written.user('bob');
  edge = new HeldIdentity(await trust.issue('svc', 'edge-1', ['Proxy']));
  replica = await startReplica({
    postgresUrl: postgres.url,
    natsUrl: nats.url,
    identity: new HeldIdentity(await trust.issue('svc', 'inventory-1', ['Auth'])),
    policy: written.policy,
    clusters: new TestClusters(),
  });
});

afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  await Promise.all([postgres[Symbol.asyncDispose](), nats[Symbol.asyncDispose]()]);
});

function request(changes: Record<string, unknown> = {}, minute = 0): FactMessage {
  const requestId = uuidv7();
  const data = {
    requestId,
    auditId: requestId,
    user: 'alice',
    session: 's',
    cluster: 'prod',
    clusterLabels: { env: 'prod' },
    decision: 'allow',
    reason: '',
    roles: ['viewer'],
    method: 'GET',
    path: '/api/v1/pods',
    verb: 'list',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: '',
    name: '',
    impersonate: { users: [], groups: ['g'] },
    kubeUser: 'alice',
    kubeGroups: ['g'],
    outcome: 'known',
    status: 200,
    isStream: false,
    durationMs: 1.5,
    bytesIn: 0,
    bytesOut: 512,
    policyRevision: '00f0',
    edge: 'edge-1',
    sourceIp: '203.0.113.9',
    userAgent: 'kubectl/v1.32.0',
    ...changes,
  };
  const at = new Date(start + minute * 60_000).toISOString();
  return { id: requestId, type: 'KubeRequestAudited', v: 3, at, data };
}

async function record(...facts: readonly FactMessage[]): Promise<string[]> {
  const subject = agentSubjects.fact('edge-1', 'KubeRequestAudited');
  await bus.publishDurable(subject, { facts }, { msgId: uuidv7() });
  const ids = facts.map(({ data }) => String(data['requestId']));
  await eventually(async () => {
    const rows = await replica.store.db
      .selectFrom('kube_request')
      .select('request_id')
      .where('request_id', 'in', ids)
      .execute();
    return new Set(rows.map((row) => row.request_id)).size;
  }).toBe(new Set(ids).size);
  return ids;
}

/** As the edge does it for a user that it knows. */
async function ask(path: string, user = 'ann') {
  const { principal } = new HeldIdentity(await trust.issue('user', user)).current();
  const about = { principal, requestId: 'r', sourceIp: '203.0.113.1' };
  const token = await signAssertion(edge.current(), about, { audience: 'inventory-svc', at: new Date() });
  return get(replica.port, path, { as: edge.current(), headers: { [assertionHeader]: token } });
}

async function found(query: string): Promise<string[]> {
  const { status, body } = await ask(`/v1/audit/requests?${query}`);
  expect(status).toBe(200);
  return (body['requests'] as { requestId: string }[]).map(({ requestId }) => requestId);
}

describe('one recorded request', () => {
  test('is answered whole, by its id', async () => {
    const fact = request({ name: 'whole', decided: { verb: 'create', name: 'web' } });
    const [id] = await record(fact);
    const { status, body } = await ask(`/v1/audit/requests/${id}`);
    expect({ status, body }).toEqual({ status: 200, body: { at: fact.at, request: fact.data } });
  });

  test.each([
    [1, ['clusterLabels', 'roles', 'impersonate']],
    [2, []],
  ])('of an edge of version %i has what that one knew', async (v, missing) => {
    const newer = ['auditId', 'outcome', 'isStream', 'bytesIn', 'bytesOut', 'userAgent'];
    const data = Object.fromEntries(
      Object.entries(request().data).filter(([field]) => ![...newer, ...missing].includes(field)),
    );
    const [id] = await record({ ...request(), id: uuidv7(), v, data });
    const { body } = await ask(`/v1/audit/requests/${id}`);
    expect(body['request']).toEqual({
      ...(v === 1 ? { roles: [], impersonate: { users: [], groups: [] } } : {}),
      ...data,
      auditId: '',
      outcome: 'known',
      isStream: false,
      bytesIn: 0,
      bytesOut: 0,
      userAgent: '',
    });
  });

  test('that was a stream is answered with how it ended, by the word of its own edge alone', async () => {
    const fact = request({ name: 'streamed', isStream: true, verb: 'watch' });
    const [id] = await record(fact);
    const ended = {
      endedBy: 'cut',
      reason: 'kube.access_changed',
      durationMs: 60_000.5,
      bytesIn: 0,
      bytesOut: 1_048_576,
    };
    const { verb, apiGroup, resource, subresource, namespace, name, user, cluster } = fact.data;
    const place = { verb, apiGroup, resource, subresource, namespace, name, user, cluster };
    const data = { requestId: id, ...place, ...ended, edge: 'edge-1' };
    const end = { id: `${id}-end`, type: 'KubeStreamEnded', v: 1, at: '2026-03-01T11:00:00.000Z', data };
    expect((await ask(`/v1/audit/requests/${id}`)).body).not.toHaveProperty('ended');
    const forged = { ...end, data: { ...data, endedBy: 'client', edge: 'edge-2' } };
    await bus.publishDurable(
      agentSubjects.fact('edge-2', 'KubeRequestAudited'),
      { facts: [forged] },
      { msgId: uuidv7() },
    );
    await record(request());
    for (const _ of [1, 2])
      await bus.publishDurable(
        agentSubjects.fact('edge-1', 'KubeRequestAudited'),
        { facts: [end] },
        { msgId: uuidv7() },
      );
    await eventually(async () => (await ask(`/v1/audit/requests/${id}`)).body['ended']).toEqual({
      at: end.at,
      ...ended,
    });
  });

  test('cannot be replaced by a later one that claims its id', async () => {
    const [id] = await record(request({ name: 'first' }));
    const forged = { ...request({ requestId: id, name: 'forged' }, -60), id: uuidv7() };
    await record(forged, request());
    const { body } = await ask(`/v1/audit/requests/${id}`);
    expect(body['request']).toMatchObject({ name: 'first' });
  });

  test('that nobody recorded is not found', async () => {
    const { status, body } = await ask(`/v1/audit/requests/${uuidv7()}`);
    expect(status).toBe(404);
    expect(body['code']).toBe('inventory.request_not_found');
  });

  test.each(['..%2f', "'; drop", '%00', 'a'.repeat(65)])('has no id like %j', async (id) => {
    expect((await ask(`/v1/audit/requests/${encodeURI(id)}`)).status).toBe(400);
  });

  test('is shown to those alone who may read events (L-14)', async () => {
    const [id] = await record(request());
    for (const name of ['lou', 'bob', 'nobody'])
      expect((await ask(`/v1/audit/requests/${id}`, name)).status).toBe(403);
    const agent = await trust.issue('agent', 'kube-1', ['Kube']);
    const { status } = await get(replica.port, `/v1/audit/requests/${id}`, { as: agent });
    expect(status).toBe(403);
  });
});

describe('the recorded requests', () => {
  test('are found by user, cluster, decision and time, the newest first', async () => {
    const [a, b, c, d] = await record(
      request({ user: 'finn', cluster: 'one' }, 1),
      request(
        { user: 'finn', cluster: 'two', decision: 'deny', reason: 'access.resource_denied', status: 403 },
        2,
      ),
      request({ user: 'gus', cluster: 'two' }, 3),
      request({ user: 'finn', cluster: 'two' }, 4),
    );
    expect(await found('user=finn')).toEqual([d, b, a]);
    expect(await found('user=finn&cluster=two')).toEqual([d, b]);
    expect(await found('user=finn&decision=deny')).toEqual([b]);
    expect(await found('cluster=two&since=2026-03-01T10:03:00Z')).toEqual([d, c]);
    expect(await found("user=finn'%20or%20'1'='1")).toEqual([]);
  });

  test('of one moment come page by page, each once', async () => {
    const ids = await record(...Array.from({ length: 7 }, () => request({ user: 'paul' }, 5)));
    const seen: string[] = [];
    for (let next = ''; ;) {
      const { body } = await ask(
        `/v1/audit/requests?user=paul&limit=3${next && `&before=${encodeURIComponent(next)}`}`,
      );
      seen.push(...(body['requests'] as { requestId: string }[]).map(({ requestId }) => requestId));
      next = String(body['next']);
      if (next === '') break;
    }
    expect(seen).toHaveLength(7);
    expect(new Set(seen)).toEqual(new Set(ids));
  });

  test.each([
    'since=yesterday',
    'before=x',
    'before=2026-99-99T00:00:00Z_x',
    'limit=0',
    'limit=99999',
    'decision=x',
    'user=%00',
    'x=1',
  ])('are not asked for by %s', async (query) => {
    expect((await ask(`/v1/audit/requests?${query}`)).status).toBe(400);
  });

  test('are listed to those alone who may list events', async () => {
    expect((await ask('/v1/audit/requests', 'lou')).status).toBe(200);
    expect((await ask('/v1/audit/requests', 'bob')).status).toBe(403);
  });
});
