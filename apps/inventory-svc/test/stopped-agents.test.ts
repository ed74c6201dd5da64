import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentLost } from '@postern/contracts';
import { HeldIdentity } from '@postern/identity';
import { startProcess, testNats, type TestNats, testPostgres } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  eventually,
  type Replica,
  startReplica,
  TestClusters,
  TestPolicy,
  TestTrust,
} from './support/inventory.ts';

const intervalMs = 400;
// For a process to end, for a look at who is silent, and for a machine that does much else.
const slackMs = 1_000;
const program = join(import.meta.dirname, 'support/agent-process.ts');

let scope: AsyncDisposableStack;
let nats: TestNats;
let inventory: Replica;
let folder: string;

beforeAll(async () => {
  scope = new AsyncDisposableStack();
  folder = await mkdtemp(join(tmpdir(), 'stopped-agents-'));
  scope.defer(() => rm(folder, { recursive: true }));
  const postgres = scope.use(await testPostgres());
  nats = scope.use(await testNats());
  const identity = new HeldIdentity(await (await TestTrust.make()).issue('svc', 'inventory-1', ['Auth']));
  const { policy } = new TestPolicy();
  const urls = { postgresUrl: postgres.url, natsUrl: nats.url };
  inventory = scope.use(await startReplica({ ...urls, identity, policy, clusters: new TestClusters() }));
});

afterAll(() => scope.disposeAsync());

async function startAgent(agentId: string) {
  const agent = startProcess({
    name: agentId,
    command: process.execPath,
    args: [program, nats.url, agentId, String(intervalMs)],
    env: {},
    cwd: folder,
    logDir: folder,
  });
  scope.defer(() => agent.kill9());
  await eventually(() => history(agentId)).toHaveLength(1);
  return agent;
}

const history = (agentId: string) => inventory.store.load(`agent/${agentId}`);

async function lost(agentId: string) {
  await eventually(async () => (await history(agentId)).length).toBe(2);
  const event = (await history(agentId))[1]!;
  const { reason, lastSeen } = AgentLost.read(event);
  return { reason, at: Date.parse(event.at), lastSeen: Date.parse(lastSeen) };
}

describe('an agent process', () => {
  test('that is killed is lost three intervals after its last heartbeat', async () => {
    const agent = await startAgent('killed');
    await agent.kill9();
    const { reason, at, lastSeen } = await lost('killed');
    expect(reason).toBe('silence');
    expect(at - lastSeen).toBeGreaterThan(3 * intervalMs);
    expect(at - lastSeen).toBeLessThan(3 * intervalMs + slackMs);
  });

  test('that is told to end says goodbye and is lost at once', async () => {
    const agent = await startAgent('ended');
    const told = Date.now();
    expect(await agent.stop()).toBe(0);
    const { reason, at } = await lost('ended');
    expect(reason).toBe('goodbye');
    expect(at - told).toBeLessThan(slackMs);
  });
});
