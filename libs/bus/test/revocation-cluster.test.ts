import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NatsCluster, startNatsCluster } from '@postern/lab';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type BusOperator,
  connectBus,
  createOperatorConfig,
  inboxPrefix,
  openBusOperator,
  operatorServerConfig,
} from '../src/index.ts';
import { credentialsFor } from './support/bus-users.ts';

const secrets = createOperatorConfig();
const scope = new AsyncDisposableStack();
let cluster: NatsCluster;
let operator: BusOperator;

beforeAll(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-cluster-'));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  cluster = scope.use(await startNatsCluster({ dir, config: operatorServerConfig(secrets) }));
  operator = scope.use(await openBusOperator({ servers: cluster.url, name: 'join-1', secrets }));
}, 60_000);
afterAll(() => scope.disposeAsync());

type Creds = ReturnType<typeof credentialsFor>;

const newAgent = () => credentialsFor(secrets, { agentId: 'a1', roles: ['Kube'] });
const revoked = (creds: Creds) => new Map([[creds.publicKey, new Date(Date.now() + 3_600_000)]]);

function connectTo(node: number, creds: Creds) {
  const servers = cluster.nodes[node]!.url;
  return connectBus({ servers, name: 'a1', creds, inboxPrefix: inboxPrefix('a1'), patienceMs: 0 });
}

async function isRefusedBy(node: number, creds: Creds): Promise<boolean> {
  try {
    await using _bus = await connectTo(node, creds);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === 'bus.unauthenticated';
  }
}

test('a revoked user is cut off by every server of a cluster within two seconds', async () => {
  const bad = newAgent();
  await using one = await connectTo(0, bad);
  await using two = await connectTo(1, bad);
  await using three = await connectTo(2, bad);
  const began = performance.now();
  await operator.setRevoked(revoked(bad));
  await until('all are cut off', () => [one, two, three].every((bus) => !bus.isConnected), { everyMs: 5 });
  expect(performance.now() - began).toBeLessThan(2000);
});

test('a server that was away meanwhile learns of it from the others', async () => {
  const bad = newAgent();
  await using _before = await connectTo(2, bad);
  await cluster.nodes[2]!.kill9();
  await until('the others are told', () =>
    operator.setRevoked(revoked(bad)).then(
      () => true,
      () => false,
    ),
  );
  await cluster.restart(2);
  const began = performance.now();
  await until('it refuses the user', () => isRefusedBy(2, bad), { withinMs: 15_000 });
  expect(performance.now() - began).toBeLessThan(10_000);
});
