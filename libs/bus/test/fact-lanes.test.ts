import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentSubjects } from '@postern/contracts';
import { type NatsCluster, startNatsCluster } from '@postern/lab';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  allStreams,
  type Bus,
  connectBus,
  createOperatorConfig,
  factConsumers,
  inboxPrefix,
  operatorServerConfig,
  spreadFactLeaders,
} from '../src/index.ts';
import { credentialsFor } from './support/bus-users.ts';
import { type UserName, users } from './support/subject-space.ts';

const secrets = createOperatorConfig();
const scope = new AsyncDisposableStack();
const fact = agentSubjects.fact('edge', 'KubeRequestAudited');
let cluster: NatsCluster;
let join1: Bus;
let edge: Bus;

beforeAll(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-lanes-'));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  cluster = scope.use(await startNatsCluster({ dir, config: operatorServerConfig(secrets) }));
  [join1, edge] = [scope.use(await connectAs('join')), scope.use(await connectAs('edge'))];
  await join1.reconcileStreams(allStreams({ replicas: 3 }));
}, 60_000);
afterAll(() => scope.disposeAsync());

function connectAs(name: UserName): Promise<Bus> {
  const creds = credentialsFor(secrets, { agentId: name, ...users[name] });
  return connectBus({ servers: cluster.url, name, creds, inboxPrefix: inboxPrefix(name) });
}

/** The node that leads each stream of facts; empty for one without a leader. */
async function leaders(): Promise<Record<string, string>> {
  const manager = await join1.connection.manager();
  const of = async (stream: string) =>
    (await manager.streams.info(stream).catch(() => undefined))?.cluster?.leader ?? '';
  return Object.fromEntries(
    await Promise.all(factConsumers.map(async ({ stream }) => [stream, await of(stream)] as const)),
  );
}

async function areSpread(): Promise<boolean> {
  const nodes = Object.values(await leaders());
  return !nodes.includes('') && new Set(nodes).size === nodes.length;
}

const spreadWithin = { withinMs: 30_000, everyMs: 100 };

test('the leaders of facts come apart when one server has them all', async () => {
  const manager = await join1.connection.manager();
  const placement = { preferred: 'node-1' };
  for (const { stream } of factConsumers) {
    const ask = async () => {
      const subject = `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`;
      const { leader } = (await manager.streams.info(stream)).cluster!;
      if (leader === placement.preferred) return true;
      await join1.connection.nats.request(subject, JSON.stringify({ placement }));
      return false;
    };
    await until(`${stream} is led by ${placement.preferred}`, ask, spreadWithin);
  }
  await using _spreading = spreadFactLeaders(join1);
  await until('each has another leader', areSpread, spreadWithin);
});

test('an edge goes on to another stream when the leader of its own is killed, and the leaders come apart again', async () => {
  await using _spreading = spreadFactLeaders(join1);
  await until('each has another leader', areSpread, spreadWithin);
  const { stream: before } = await edge.publishDurable(fact, { at: 1 }, { msgId: '1' });
  const victim = Number((await leaders())[before]!.replace('node-', ''));
  await cluster.nodes[victim]!.kill9();
  let after = before;
  await until('a fact is kept elsewhere', async () => {
    ({ stream: after } = await edge.publishDurable(fact, { at: 2 }, { msgId: '2' }));
    return true;
  });
  expect(after).not.toBe(before);
  await cluster.restart(victim);
  await until('each has another leader again', areSpread, spreadWithin);
});

test('only join-svc may move a leader', async () => {
  await using inventory = await connectAs('inventory');
  const subject = `$JS.API.STREAM.LEADER.STEPDOWN.${factConsumers[0]!.stream}`;
  for (const bus of [inventory, edge])
    await expect(
      bus.connection.answered(subject, () => bus.connection.nats.request(subject, '{}')),
    ).rejects.toMatchObject({ code: 'bus.forbidden' });
});
