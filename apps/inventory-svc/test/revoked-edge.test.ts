import { AgentRevoked, eventSubject } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { assertionHeader, HeldIdentity, signAssertion } from '@postern/identity';
import { testNats, testPostgres } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  eventually,
  get,
  type Replica,
  startReplica,
  TestClusters,
  TestPolicy,
  TestTrust,
} from './support/inventory.ts';

const scope = new AsyncDisposableStack();
let trust: TestTrust;
let replica: Replica;

beforeAll(async () => {
  const [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  scope.use(postgres);
  scope.use(nats);
  trust = await TestTrust.make();
  const identity = new HeldIdentity(await trust.issue('svc', 'inventory-1', ['Auth']));
  const test = new TestPolicy();
  test.role('reader', { allow: { rules: [{ resources: ['instance'], verbs: ['list', 'read'] }] } });
  test.user('alice', 'reader');
  const { policy } = test;
  const clusters = new TestClusters();
  replica = scope.use(
    await startReplica({ postgresUrl: postgres.url, natsUrl: nats.url, identity, policy, clusters }),
  );
});
afterAll(() => scope.disposeAsync());

/** A list that alice asks for through an edge. */
async function statusThrough(edgeId: string): Promise<number> {
  const edge = new HeldIdentity(await trust.issue('svc', edgeId, ['Proxy']));
  const { principal } = new HeldIdentity(await trust.issue('user', 'alice')).current();
  const about = { principal, requestId: 'r', sourceIp: '203.0.113.1' };
  const token = await signAssertion(edge.current(), about, { audience: 'inventory-svc', at: new Date() });
  const headers = { [assertionHeader]: token };
  return (await get(replica.port, '/v1/inventory/agents', { as: edge.current(), headers })).status;
}

async function revoke(agentId: string, version: number): Promise<void> {
  const stream = `agent/${agentId}`;
  const { type, v, data } = AgentRevoked({ agentId, by: 'spiffe://postern/user/admin', busKeys: [] });
  const at = new Date().toISOString();
  const event = { id: uuidv7(), stream, version, type, v, data, meta: {}, at };
  await replica.bus.publishDurable(eventSubject('join', stream, type), event, { msgId: event.id });
}

test('an edge that was revoked speaks for nobody, though its certificate has not ended', async () => {
  expect([await statusThrough('edge-stolen'), await statusThrough('edge-good')]).toEqual([200, 200]);
  await revoke('edge-stolen', 2);
  await eventually(() => statusThrough('edge-stolen')).toBe(401);
  // Told a second time it changes nothing.
  await revoke('edge-stolen', 3);
  await revoke('another', 2);
  await eventually(() => statusThrough('another')).toBe(401);
  expect([await statusThrough('edge-stolen'), await statusThrough('edge-good')]).toEqual([401, 200]);
});
