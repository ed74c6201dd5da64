import { type Bus, connectBus } from '@postern/bus';
import { agentSubjects, type FactMessage } from '@postern/contracts';
import { derivedUuid } from '@postern/core';
import { HeldIdentity } from '@postern/identity';
import { compareWithRebuild } from '@postern/projections';
import { testNats, type TestNats, testPostgres, type TestPostgres } from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kubeRequestList } from '../src/audit/kube-request-list.ts';
import { readFact } from '../src/audit/read-fact.ts';
import { recordFacts } from '../src/audit/record-facts.ts';
import {
  type Replica,
  startReplica,
  TestClusters,
  TestPolicy,
  TestTrust,
  eventually,
} from './support/inventory.ts';

let postgres: TestPostgres;
let nats: TestNats;
let bus: Bus;
let identity: HeldIdentity;
let number = 0;

beforeAll(async () => {
  [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  identity = new HeldIdentity(await (await TestTrust.make()).issue('svc', 'inventory-1', ['Auth']));
  bus = await connectBus({ servers: nats.url, name: 'edge-1' });
});

afterAll(async () => {
  await bus[Symbol.asyncDispose]();
  await Promise.all([postgres[Symbol.asyncDispose](), nats[Symbol.asyncDispose]()]);
});

function replica(): Promise<Replica> {
  const { policy } = new TestPolicy();
  return startReplica({
    postgresUrl: postgres.url,
    natsUrl: nats.url,
    identity,
    policy,
    clusters: new TestClusters(),
  });
}

function audited(changes: Record<string, unknown> = {}): FactMessage {
  number += 1;
  const data = {
    requestId: `r${number}`,
    user: 'alice',
    session: 's',
    cluster: 'prod',
    decision: 'allow',
    reason: '',
    method: 'GET',
    path: '/api/v1/pods',
    verb: 'list',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: '',
    name: '',
    kubeUser: 'alice',
    kubeGroups: ['g'],
    status: 200,
    durationMs: 1.5,
    policyRevision: '7',
    edge: 'edge-1',
    sourceIp: '203.0.113.9',
    ...changes,
  };
  return { id: `fact-${number}`, type: 'KubeRequestAudited', v: 1, at: '2026-01-02T03:04:05.678Z', data };
}

function publish(fact: FactMessage, msgId: string = crypto.randomUUID(), agent = 'edge-1') {
  return bus.publishDurable(agentSubjects.fact(agent, fact.type), fact, { msgId });
}

async function requests({ store }: Replica): Promise<string[]> {
  const rows = await store.db.selectFrom('kube_request').select('name').orderBy('name').execute();
  return rows.map(({ name }) => name);
}

describe('a fact', () => {
  test('is recorded once, however often it is published and delivered, by any of the replicas', async () => {
    await using one = await replica();
    await using _two = await replica();
    const facts = Array.from({ length: 200 }, (_, index) => audited({ name: `once-${index}` }));
    await Promise.all([...facts, ...facts, ...facts.slice(0, 50)].map((fact) => publish(fact)));
    const recorded = async () => (await requests(one)).filter((name) => name.startsWith('once-')).length;
    await eventually(recorded).toBe(200);
    const last = audited({ name: 'after' });
    await publish(last);
    await eventually(() => requests(one)).toContain('after');
    expect(await recorded()).toBe(200);
    const events = (await one.store.feed({ limit: 10_000 })).filter(
      ({ event }) => event.type === 'KubeRequestAudited',
    );
    expect(events).toHaveLength(201);
    expect(events[0]!.event).toMatchObject({
      version: 1,
      meta: { actor: 'spiffe://postern/svc/edge-1', occurredAt: '2026-01-02T03:04:05.678Z' },
    });
    expect(events[0]!.event.stream).toMatch(/^kube_request\//);
  });

  test('is recorded once when its message lies in every stream of facts, in whatever order each has it', async () => {
    await using one = await replica();
    await using two = await replica();
    const batches = Array.from({ length: 60 }, (_, at) =>
      ['a', 'b', 'c'].map((part) => audited({ name: `everywhere-${at}-${part}` })),
    );
    const subject = agentSubjects.fact('edge-1', 'KubeRequestAudited');
    const lanes = [
      { to: subject, sent: batches },
      { to: `${subject}.2`, sent: batches.toReversed() },
      { to: `${subject}.3`, sent: [...batches.slice(30), ...batches.slice(0, 30)] },
    ];
    const ends = lanes.map((_, at) => audited({ name: `end-of-${at}` }));
    const publishLane = async ({ to, sent }: (typeof lanes)[number], end: FactMessage) => {
      await Promise.all(sent.map((facts) => bus.publishDurable(to, { facts }, { msgId: facts[0]!.id })));
      await bus.publishDurable(to, end, { msgId: end.id });
    };
    await Promise.all(lanes.map((lane, at) => publishLane(lane, ends[at]!)));
    await eventually(() => requests(one)).toEqual(
      expect.arrayContaining(ends.map(({ data }) => data['name'])),
    );
    const wanted = batches.flat().map(({ id }) => derivedUuid('fact', 'edge-1', id));
    const events = (await two.store.feed({ limit: 10_000 })).filter(({ event }) => wanted.includes(event.id));
    expect(events.map(({ event }) => event.id).toSorted()).toEqual(wanted.toSorted());
    expect((await requests(two)).filter((name) => name.startsWith('everywhere-'))).toHaveLength(180);
    const parked = await sql`select 1 from es_parked`.execute(one.store.db);
    expect(parked.rows).toEqual([]);
  });

  test('in a batch that was recorded in part before is recorded with the rest', async () => {
    await using one = await replica();
    const read = (fact: FactMessage) => {
      const result = readFact(
        agentSubjects.fact('edge-1', fact.type),
        { ...fact, data: { ...fact.data } } as never,
        new Date(),
      );
      if ('fact' in result) return [result.fact];
      return [];
    };
    const [a, b, c] = [
      audited({ name: 'part-a' }),
      audited({ name: 'part-b' }),
      audited({ name: 'part-c' }),
    ].flatMap(read);
    const deps = { store: one.store, clusterName: 'postern' };
    expect(await recordFacts(deps, [a!, b!])).toBe(2);
    expect(await recordFacts(deps, [b!, c!, c!])).toBe(1);
    expect(await recordFacts(deps, [a!, b!, c!])).toBe(0);
    expect((await requests(one)).filter((name) => name.startsWith('part-'))).toEqual([
      'part-a',
      'part-b',
      'part-c',
    ]);
  });

  test('that nobody could record is recorded when somebody can', async () => {
    await publish(audited({ name: 'waited' }));
    await using one = await replica();
    await eventually(() => requests(one)).toContain('waited');
  });

  test('of another agent, of no known type or of a wrong form holds up nobody', async () => {
    await using one = await replica();
    await publish(audited({ name: 'forged' }), 'm1', 'edge-2');
    await bus.publishDurable(
      'agent.edge-1.fact.KubeRequestAudited',
      { ...audited(), type: 'AgentLost' },
      { msgId: 'm2' },
    );
    await bus.publishDurable('agent.edge-1.fact.KubeRequestAudited', { hello: 'world' }, { msgId: 'm3' });
    await publish(audited({ name: 'bad\0name' }));
    await publish(audited({ name: 'good' }));
    await eventually(() => requests(one)).toContain('good');
    expect(await requests(one)).not.toContain('forged');
    const refused = () =>
      one.telemetry.lines.filter((line) => line.includes('a fact of an agent was refused'));
    await eventually(refused).toHaveLength(4);
  });

  test('in one message with others counts for itself: delivered again it is not recorded twice, forged it is refused alone', async () => {
    await using one = await replica();
    const forged = audited({ name: 'batch-forged', edge: 'edge-2' });
    const facts = [audited({ name: 'batch-a' }), forged, audited({ name: 'batch-b' })];
    const subject = agentSubjects.fact('edge-1', 'KubeRequestAudited');
    const inBatch = async () => (await requests(one)).filter((name) => name.startsWith('batch-'));
    // Other message ids, as after the window in which JetStream knows the first one.
    for (const msgId of ['batch-1', 'batch-2']) await bus.publishDurable(subject, { facts }, { msgId });
    await publish(audited({ name: 'behind-the-batches' }));
    await eventually(() => requests(one)).toContain('behind-the-batches');
    expect(await inBatch()).toEqual(['batch-a', 'batch-b']);
    const refused = () =>
      one.telemetry.lines.filter((line) => line.includes('a fact of an agent was refused'));
    await eventually(refused).toHaveLength(2);
    expect(refused().every((line) => line.includes('another_agent'))).toBe(true);
  });

  test('of an agent that is no edge is acknowledged once it is recorded', async () => {
    await using one = await replica();
    const fact = {
      id: 'served-1',
      type: 'ClusterServed',
      v: 1,
      at: '2026-01-02T03:04:05.678Z',
      data: { agentId: 'kube-1', cluster: 'prod', state: 'served', labels: {}, reason: 'registered' },
    };
    const recorded = async () =>
      (await one.store.feed({ limit: 10_000 })).filter(({ event }) => event.type === 'ClusterServed').length;
    await publish(fact, 'm', 'kube-1');
    expect(await recorded()).toBe(1);
    await publish(fact, 'm', 'kube-1');
    await publish({ ...fact, id: 'served-2' }, 'm', 'kube-2');
    expect(await recorded()).toBe(1);
  });
});

describe('the list of requests', () => {
  test('equals what the events say', async () => {
    await using one = await replica();
    await publish(audited({ name: 'listed' }));
    await eventually(() => requests(one)).toContain('listed');
    expect(await compareWithRebuild(one.store, kubeRequestList)).toEqual([]);
  });

  test('is made again by a replica of another version, before it is ready', async () => {
    let before: string[];
    {
      await using one = await replica();
      await publish(audited({ name: 'kept' }));
      await eventually(() => requests(one)).toContain('kept');
      before = await requests(one);
      await sql`update kube_request set name = 'as an older version wrote it'`.execute(one.store.db);
      await sql`update es_projection set version = 0`.execute(one.store.db);
    }
    await using next = await replica();
    expect(await requests(next)).toEqual(before);
    expect(next.telemetry.lines.some((line) => line.includes('kube_request_list'))).toBe(true);
    await using same = await replica();
    expect(same.telemetry.lines.some((line) => line.includes('rebuilt'))).toBe(false);
  });
});
