import { type Bus, connectBus } from '@postern/bus';
import { AgentLost, AgentSeen, commandSubjects } from '@postern/contracts';
import { HeldIdentity } from '@postern/identity';
import {
  type FixedClock,
  fixedClock,
  testNats,
  type TestNats,
  testPostgres,
  type TestPostgres,
} from '@postern/testkit';
import { openEventStore } from '@postern/event-store';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import {
  type Replica,
  startReplica,
  TestAgent,
  TestClusters,
  TestPolicy,
  TestTrust,
  eventually,
} from './support/inventory.ts';

let postgres: TestPostgres;
let nats: TestNats;
let identity: HeldIdentity;
let agents: Bus;
let clock: FixedClock;
let count = 0;

beforeAll(async () => {
  [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  identity = new HeldIdentity(await (await TestTrust.make()).issue('svc', 'inventory-1', ['Auth']));
  agents = await connectBus({ servers: nats.url, name: 'agents' });
});

afterAll(async () => {
  await agents[Symbol.asyncDispose]();
  await Promise.all([postgres[Symbol.asyncDispose](), nats[Symbol.asyncDispose]()]);
});

beforeEach(() => {
  clock = fixedClock(new Date().toISOString());
});

function replica(): Promise<Replica> {
  const { policy } = new TestPolicy();
  const clusters = new TestClusters();
  return startReplica({ postgresUrl: postgres.url, natsUrl: nats.url, identity, policy, clusters, clock });
}

function agent(): TestAgent {
  count += 1;
  return new TestAgent(agents, `agent-${count}`, clock);
}

async function history({ store }: Replica, { agentId }: TestAgent): Promise<string[]> {
  const events = await store.load(`agent/${agentId}`);
  return events.map((event) =>
    event.type === AgentLost.type ? `lost by ${AgentLost.read(event).reason}` : event.type,
  );
}

function expectHistory(replica: Replica, agent: TestAgent, ...expected: string[]): Promise<void> {
  return eventually(() => history(replica, agent)).toEqual(expected);
}

async function lastSeen({ store }: Replica, { agentId }: TestAgent): Promise<number> {
  const row = await store.db
    .selectFrom('agent')
    .select('last_seen')
    .where('agent_id', '=', agentId)
    .executeTakeFirst();
  return row?.last_seen.getTime() ?? 0;
}

/** Shuts this file's database to everybody until told otherwise. */
async function breakPostgres(): Promise<AsyncDisposable & { end(): Promise<void> }> {
  const name = new URL(postgres.url).pathname.slice(1);
  const { db } = await openEventStore({ url: inject('postgresUrl'), schema: 'outage', context: 'inventory' });
  const allow = (isOpen: boolean) =>
    sql`alter database ${sql.id(name)} allow_connections ${sql.lit(isOpen)}`.execute(db);
  await allow(false);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(db);
  return {
    end: async () => void (await allow(true)),
    [Symbol.asyncDispose]: () => allow(true).then(() => db.destroy()),
  };
}

/** Waits until enough time has really passed for several looks at who is silent. */
async function severalScans(replica: Replica): Promise<void> {
  const other = agent();
  other.beat();
  await expectHistory(replica, other, 'AgentSeen');
  other.goodbye();
  await expectHistory(replica, other, 'AgentSeen', 'lost by goodbye');
}

describe('an agent', () => {
  test('is seen with its first heartbeat and stays seen with the next ones', async () => {
    await using inventory = await replica();
    const one = agent();
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen');
    clock.advance(900);
    one.beat();
    await eventually(() => lastSeen(inventory, one)).toBe(clock().getTime());
    expect(await history(inventory, one)).toEqual(['AgentSeen']);
    const [seen] = await inventory.store.load(`agent/${one.agentId}`);
    expect(AgentSeen.read(seen!)).toMatchObject({
      agentId: one.agentId,
      hostname: `host-of-${one.agentId}`,
      services: ['Kube'],
    });
    expect(seen!.meta.actor).toBe('spiffe://postern/svc/inventory-1');
  });

  test('is lost after three intervals of silence, not before, and comes back', async () => {
    await using inventory = await replica();
    const one = agent();
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen');
    clock.advance(2_900);
    await severalScans(inventory);
    expect(await history(inventory, one)).toEqual(['AgentSeen']);
    clock.advance(200);
    await expectHistory(inventory, one, 'AgentSeen', 'lost by silence');
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen', 'lost by silence', 'AgentSeen');
  });

  test('that says goodbye is lost at once, and late heartbeats of that run do not bring it back', async () => {
    await using inventory = await replica();
    const one = agent();
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen');
    one.goodbye();
    await expectHistory(inventory, one, 'AgentSeen', 'lost by goodbye');
    clock.advance(10);
    one.beat();
    await severalScans(inventory);
    expect(await history(inventory, one)).toEqual(['AgentSeen', 'lost by goodbye']);
    one.restart();
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen', 'lost by goodbye', 'AgentSeen');
  });

  test('is not moved back by a heartbeat that was overtaken', async () => {
    await using inventory = await replica();
    const one = agent();
    one.beat({ sequence: 7, hostname: 'new' });
    await expectHistory(inventory, one, 'AgentSeen');
    clock.advance(100);
    one.beat({ sequence: 6, hostname: 'old' });
    await severalScans(inventory);
    const row = await inventory.store.db
      .selectFrom('agent')
      .selectAll()
      .where('agent_id', '=', one.agentId)
      .executeTakeFirst();
    expect(row).toMatchObject({ hostname: 'new', sequence: 7 });
  });

  test('whose clock was set back is heard again after three intervals', async () => {
    await using inventory = await replica();
    const one = agent();
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen');
    clock.advance(3_500);
    await expectHistory(inventory, one, 'AgentSeen', 'lost by silence');
    one.beat({ run: 'another', startedAt: '2020-01-01T00:00:00.000Z' });
    await expectHistory(inventory, one, 'AgentSeen', 'lost by silence', 'AgentSeen');
  });

  test('is asked for its report when it speaks of one that is not known', async () => {
    await using inventory = await replica();
    const one = agent();
    const asked = new Promise<void>((resolve) => {
      agents.subscribe(commandSubjects.reportServed(one.agentId), {}, () => resolve());
    });
    await agents.flush();
    one.beat({ servedRevision: 3 });
    await asked;
    await expectHistory(inventory, one, 'AgentSeen');
  });
});

describe('goodbyes that were heard', () => {
  test('are recorded before the service ends', async () => {
    const inventory = await replica();
    const many = Array.from({ length: 40 }, agent);
    for (const each of many) each.beat();
    await eventually(() => Promise.all(many.map((each) => history(inventory, each)))).toEqual(
      many.map(() => ['AgentSeen']),
    );
    clock.advance(1);
    for (const each of many) each.goodbye();
    await agents.flush();
    await inventory.bus.flush();
    await inventory[Symbol.asyncDispose]();
    expect(inventory.telemetry.lines.filter((line) => line.includes('"level":"warn"'))).toEqual([]);
    await using next = await replica();
    expect(await Promise.all(many.map((each) => history(next, each)))).toEqual(
      many.map(() => ['AgentSeen', 'lost by goodbye']),
    );
  });
});

describe('a message about another agent', () => {
  test('is refused, and told in the log', async () => {
    await using inventory = await replica();
    const victim = agent();
    const rogue = agent();
    victim.beat({}, rogue.agentId);
    victim.report(rogue.agentId);
    await severalScans(inventory);
    expect(await history(inventory, victim)).toEqual([]);
    expect(await history(inventory, rogue)).toEqual([]);
    expect(inventory.telemetry.lines.filter((line) => line.includes('another_agent'))).toHaveLength(2);
    expect(await inventory.telemetry.metrics()).toContain(
      'inventory_messages_refused_total{reason="another_agent"} 2',
    );
  });

  test.each([
    ['text', { hostname: 'a\0b' }],
    ['service', { services: ['Kube,Auth'] }],
    ['interval', { intervalMs: 5 }],
    ['time', { startedAt: 'yesterday' }],
    ['future', { startedAt: '2999-01-01T00:00:00.000Z' }],
    ['length', { hostname: 'x'.repeat(10_000) }],
  ])('or with a bad %s does not count either', async (_, changes) => {
    await using inventory = await replica();
    const one = agent();
    one.beat(changes);
    await severalScans(inventory);
    expect(await history(inventory, one)).toEqual([]);
  });
});

describe('a restart', () => {
  test('of the service keeps presence, and nobody is lost for twice an interval after it', async () => {
    const one = agent();
    {
      await using before = await replica();
      one.beat();
      await expectHistory(before, one, 'AgentSeen');
    }
    clock.advance(60_000);
    await using after = await replica();
    await severalScans(after);
    expect(await history(after, one)).toEqual(['AgentSeen']);
    clock.advance(2_100);
    await expectHistory(after, one, 'AgentSeen', 'lost by silence');
  });

  test('of the bus loses nobody: silence counts from when it is back', async () => {
    await using inventory = await replica();
    const one = agent();
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen');
    await nats.kill9();
    await eventually(() => inventory.bus.isConnected).toBe(false);
    clock.advance(60_000);
    await eventually(async () =>
      (await inventory.telemetry.metrics()).includes('inventory_agents{presence="online"}'),
    ).toBe(true);
    await nats.start();
    await eventually(() => inventory.bus.isConnected && agents.isConnected).toBe(true);
    one.beat();
    await eventually(() => lastSeen(inventory, one)).toBe(clock().getTime());
    expect(await history(inventory, one)).toEqual(['AgentSeen']);
    clock.advance(3_500);
    await expectHistory(inventory, one, 'AgentSeen', 'lost by silence');
  });
});

describe('an outage of Postgres', () => {
  test('loses nobody, and what was heard meanwhile is written when it is over', async () => {
    await using inventory = await replica();
    const [one, two] = [agent(), agent()];
    one.beat();
    await expectHistory(inventory, one, 'AgentSeen');
    await using outage = await breakPostgres();
    await eventually(() => inventory.telemetry.lines.some((line) => line.includes('tried again'))).toBe(true);
    clock.advance(60_000);
    two.beat();
    one.beat();
    await eventually(() => inventory.telemetry.metrics()).toContain('inventory_presence_dirty 2');
    await outage.end();
    await expectHistory(inventory, two, 'AgentSeen');
    await eventually(() => lastSeen(inventory, one)).toBe(clock().getTime());
    expect(await history(inventory, one)).toEqual(['AgentSeen']);
  });
});

describe('two replicas', () => {
  test('record each change once', async () => {
    await using one = await replica();
    await using two = await replica();
    const many = Array.from({ length: 40 }, agent);
    for (let round = 0; round < 3; round += 1) {
      for (const each of many) each.beat();
      clock.advance(100);
    }
    const seen = () => Promise.all(many.map((each) => history(one, each)));
    await eventually(seen).toEqual(many.map(() => ['AgentSeen']));
    for (const each of many.slice(0, 20)) each.goodbye();
    clock.advance(1_000);
    for (const each of many.slice(20, 30)) each.beat();
    clock.advance(2_500);
    const expected = [
      ...Array.from({ length: 20 }, () => ['AgentSeen', 'lost by goodbye']),
      ...Array.from({ length: 10 }, () => ['AgentSeen']),
      ...Array.from({ length: 10 }, () => ['AgentSeen', 'lost by silence']),
    ];
    await eventually(seen).toEqual(expected);
    await severalScans(two);
    expect(await seen()).toEqual(expected);
  });
});
