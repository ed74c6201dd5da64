import {
  type Bus,
  BusForbidden,
  type BusUser,
  connectBus,
  createOperatorConfig,
  createUserKey,
  inboxPrefix,
  openWorkQueue,
  operatorServerConfig,
  permissionsOf,
  userJwt,
  workStream,
} from '@postern/bus';
import { agentSubjects } from '@postern/contracts';
import { Secret, systemClock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { testNats, testPostgres, until } from '@postern/testkit';
import { joinGroup } from '@postern/work-groups';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openResourceStore } from '../src/index.ts';
import { keepWork } from '../src/work/keep-work.ts';

const operator = createOperatorConfig();
const scope = new AsyncDisposableStack();
const telemetry = silentTelemetry();
const group = 'guarded';
const slotMs = 86_400_000;
let servers: string;
let member: Bus;

async function connectAs(user: BusUser): Promise<Bus> {
  const { seed, publicKey: userPublicKey } = createUserKey();
  const { agentId } = user;
  const own = { userPublicKey, name: agentId, expires: new Date(Date.now() + 3_600_000) };
  const jwt = userJwt({ accountSeed: operator.accountSeed, ...own, ...permissionsOf(user) });
  const creds = { seed, jwt };
  return scope.use(await connectBus({ servers, name: agentId, creds, inboxPrefix: inboxPrefix(agentId) }));
}

beforeAll(async () => {
  servers = scope.use(await testNats({ config: operatorServerConfig(operator) })).url;
  const { url } = scope.use(await testPostgres());
  const store = scope.use(await openResourceStore(new Secret(url), { telemetry, clock: systemClock }));
  const maker = await connectAs({ agentId: 'join', roles: ['Auth'], service: 'join-svc' });
  await maker.reconcileStreams([workStream()]);
  const bus = await connectAs({ agentId: 'resource', roles: ['Auth'], service: 'resource-svc' });
  scope.use(keepWork({ store, bus, telemetry }));
  await bus.flush();
  const roles = JSON.stringify(['Discovery']);
  const known = ['d1', 'd2'].map((agent_id) => ({ agent_id, roles, joined_at: new Date() }));
  await store.db.insertInto('agent_roles').values(known).execute();
  member = await connectAs({ agentId: 'd1', roles: ['Discovery'] });
});

afterAll(() => scope.disposeAsync());

describe('on a bus that asks for credentials', () => {
  test('a member works with those of its role', async () => {
    const done: string[] = [];
    await using _group = joinGroup(member, {
      agentId: 'd1',
      group,
      slotMs,
      tasksOf: () => ['a', 'b'],
      run: async (task) => task,
      onResult: ({ outcome, task }) => void done.push(`${outcome} ${task}`),
    });
    await until('both are done', () => done.length === 2);
    expect(done.toSorted()).toEqual(['done a', 'done b']);
  });

  test('nobody speaks for another member, and no other role for any', async () => {
    const kube = await connectAs({ agentId: 'k1', roles: ['Kube'] });
    for (const verb of ['workOffer', 'workTake', 'workExtend', 'workSettle', 'workStatus'] as const) {
      await expect(member.request(agentSubjects[verb]('d2'), { group })).rejects.toSatisfy(BusForbidden.is);
      await expect(kube.request(agentSubjects[verb]('k1'), { group })).rejects.toSatisfy(BusForbidden.is);
    }
  });

  test('a member can neither queue, pull nor end tasks past the broker', async () => {
    const queue = openWorkQueue(member, { ackWaitMs: 1_000 });
    await expect(queue.put({ group, slot: 0, task: 't' })).rejects.toSatisfy(BusForbidden.is);
    await expect(queue.pull(group, 100)).rejects.toSatisfy(BusForbidden.is);
    await expect(queue.finish('$JS.ACK.WORK.work__guarded.1.1.1.1.0')).rejects.toSatisfy(BusForbidden.is);
  });
});
