import { workGroupSubjects } from '@postern/contracts';
import { delay } from '@postern/core';
import { until } from '@postern/testkit';
import type { Membership, RunResult } from '@postern/work-groups';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { day, refusal, type WorkRequests, workRequests } from './support/work-requests.ts';
import { startWork, type WorkWorld } from './support/work-world.ts';

const leaseMs = 1_000;

let world: WorkWorld;
let ask: WorkRequests['ask'];
let offer: WorkRequests['offer'];
let taken: WorkRequests['taken'];
let statusOf: WorkRequests['statusOf'];
let today: WorkRequests['today'];
/** What `whenEnded` was told: it runs in the transaction that says that a task has ended. */
const effects: string[] = [];

beforeAll(async () => {
  world = await startWork({
    leaseMs,
    maxAttempts: 2,
    whenEnded: async (_, { group, task, state }) => void effects.push(`${group}/${task} ${state}`),
  });
  await world.broker();
  ({ ask, offer, taken, statusOf, today } = workRequests(world));
  for (const agentId of ['honest', 'hostile']) await world.joined(agentId);
});

afterAll(() => world[Symbol.asyncDispose]());

async function collect(
  group: string,
  options: { tasks: string[]; run: Parameters<WorkWorld['member']>[0]['run']; slotMs?: number },
): Promise<{ member: Membership; results: RunResult[] }> {
  const results: RunResult[] = [];
  const { tasks, run, slotMs = day } = options;
  const member = await world.member({
    agentId: `member-of-${group}`,
    group,
    slotMs,
    run,
    tasksOf: () => tasks,
    onResult: (result) => void results.push(result),
  });
  return { member, results };
}

describe('a task', () => {
  test('that takes longer than the lease is done once, since its member says that it is at it', async () => {
    const { results } = await collect('long', {
      tasks: ['t'],
      run: async () => delay(3.5 * leaseMs),
    });
    await until('it is done', () => results.length > 0);
    expect(results).toMatchObject([{ outcome: 'done', attempt: 1 }]);
  });

  test('that fails is tried again, and then has failed with its reason', async () => {
    const { results, member } = await collect('failing', {
      tasks: ['t'],
      run: async (_, { attempt }) => {
        throw new Error(`no luck ${attempt}\0`);
      },
    });
    await until('it was tried twice', () => results.length === 2);
    expect(results.map(({ outcome, attempt }) => `${outcome} ${attempt}`)).toEqual(['failed 1', 'failed 2']);
    const { tasks } = await member.status();
    expect(tasks).toMatchObject([{ task: 't', state: 'failed', attempt: 2, reason: 'no luck 2' }]);
    expect(
      world.telemetry.lines.some((line) => line.includes('a task failed') && line.includes('no luck 2')),
    ).toBe(true);
    expect(await world.queued('failing')).toBe(0);
    expect(effects.filter((effect) => effect.startsWith('failing/'))).toEqual(['failing/t failed']);
  });

  test('whose members are lost each time has failed in the end, and nobody runs it any more', async () => {
    await offer('honest', 'deadly', ['t']);
    for (const attempt of [1, 2]) expect(await taken('honest', 'deadly')).toMatchObject({ attempt });
    await expect(taken('honest', 'deadly')).rejects.toThrow('no task');
    const { tasks } = await statusOf('deadly');
    expect(tasks).toMatchObject([
      { state: 'failed', attempt: 2, reason: expect.stringContaining('lost 2 times') },
    ]);
  });

  test('of a slot that is over is dropped with a reason, and the present one is done', async () => {
    const ran: number[] = [];
    const { member } = await collect('busy', {
      tasks: ['t'],
      slotMs: 1_000,
      run: async (_, { slot }) => {
        ran.push(slot);
        if (ran.length === 1) await delay(3_500);
      },
    });
    await until('the present is reached', () => ran.length >= 2);
    expect(ran[1]! - ran[0]!).toBeGreaterThanOrEqual(2_000);
    const rows = await world.store.db
      .selectFrom('work_task')
      .selectAll()
      .where('group_name', '=', 'busy')
      .execute();
    const dropped = rows.filter(({ state }) => state === 'dropped');
    expect(dropped.length).toBeGreaterThan(0);
    expect(dropped.every(({ reason }) => reason?.startsWith('its time slot is over'))).toBe(true);
    expect(dropped.every(({ slot }) => slot.getTime() > ran[0]! && slot.getTime() < ran[1]!)).toBe(true);
    await member[Symbol.asyncDispose]();
  });

  test('has its result shown, and the last one while the next is awaited', async () => {
    const inSeconds = { group: 'shown', slotMs: 1_000 };
    const { member } = await collect('shown', {
      tasks: ['account 1/eu'],
      slotMs: 1_000,
      run: async (_, { attempt }) => ({ found: attempt }),
    });
    const { tasks, members } = await until('it was done', async () => {
      const status = await member.status();
      return status.tasks[0]?.state === 'done' && status;
    });
    expect(tasks[0]).toMatchObject({ task: 'account 1/eu', holder: 'member-of-shown', result: { found: 1 } });
    expect(members).toEqual(['member-of-shown']);
    await member[Symbol.asyncDispose]();
    const before = tasks[0]!.slot;
    const next = await until('the next slot is there', async () => {
      const { slot } = (await ask('honest', 'workOffer', { ...inSeconds, slot: 0, tasks: [] })) as {
        slot: number;
      };
      const reply = await ask('honest', 'workOffer', { ...inSeconds, slot, tasks: ['account 1/eu'] });
      return slot > before && (reply as { queued: number }).queued === 1 && slot;
    });
    const later = (await statusOf('shown')).tasks;
    expect(later).toMatchObject([
      { slot: next, state: 'offered', last: { state: 'done', result: { found: 1 } } },
    ]);
  });

  test.each([
    ['too long', () => 'x'.repeat(60_000)],
    ['not JSON', () => 1n],
    ['made to change what objects are', () => JSON.parse('{"__proto__":{"a":1}}') as unknown],
  ])('whose result is %s has failed', async (what, result) => {
    const group = `result ${what}`;
    const { results } = await collect(group, { tasks: ['t'], run: async () => result() });
    await until('it failed', () => results.length > 0);
    expect(results[0]).toMatchObject({ outcome: 'failed', error: { code: 'work.invalid_result' } });
  });

  test('takes effect once, however often the member says that it is done', async () => {
    await offer('honest', 'effect', ['t']);
    const delivery = await taken('honest', 'effect');
    const done = () => ask('honest', 'workSettle', { ...delivery, outcome: 'done', result: 1 });
    await Promise.all([done(), done(), done()]);
    await done();
    expect(effects.filter((effect) => effect === 'effect/t done')).toHaveLength(1);
  });

  test('is there once, however many offer it and however often', async () => {
    const agents = ['honest', 'second', 'third'];
    const tasks = Array.from({ length: 100 }, (_, index) => `task-${index}`);
    for (const agentId of agents) await world.joined(agentId);
    const replies = await Promise.all(
      [...agents, ...agents].map((agentId, index) =>
        offer(agentId, 'offered', index % 2 === 0 ? tasks : tasks.toReversed()),
      ),
    );
    expect(replies.map((reply) => (reply as { queued: number }).queued).reduce((a, b) => a + b)).toBe(100);
    expect(await world.queued('offered')).toBe(100);
  });

  test('that the queue has lost comes back with the next offer, also when somebody had it', async () => {
    await offer('honest', 'wiped', ['a', 'b', 'c']);
    const done = await taken('honest', 'wiped');
    await ask('honest', 'workSettle', { ...done, outcome: 'done' });
    const lost = await taken('honest', 'wiped');
    const manager = await world.bus.connection.manager();
    await manager.streams.purge('WORK', { filter: workGroupSubjects('wiped') });
    await until('both are in the queue again', async () => {
      await offer('second', 'wiped', ['a', 'b', 'c']);
      return (await world.queued('wiped')) === 2;
    });
    const got = [await taken('second', 'wiped'), await taken('second', 'wiped')];
    expect(got.map(({ task }) => task)).not.toContain(done.task);
    expect(got.find(({ task }) => task === lost.task)).toMatchObject({ attempt: 2 });
  });

  test('is not lost when its record cannot be read for a while', async () => {
    const { db } = world.store;
    await offer('honest', 'unreadable', ['t']);
    await sql`alter table work_task rename to work_task_away`.execute(db);
    expect(await refusal(taken('honest', 'unreadable'))).not.toContain('accepted');
    await sql`alter table work_task_away rename to work_task`.execute(db);
    expect(await taken('honest', 'unreadable')).toMatchObject({ task: 't', attempt: 1 });
  });

  test('runs beside others of its member, as many as that was told', async () => {
    const tasks = ['a', 'b', 'c', 'd', 'e'];
    const all = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const results: string[] = [];
    await world.member({
      agentId: 'broad',
      group: 'broad',
      slotMs: day,
      concurrency: 4,
      tasksOf: () => tasks,
      run: async () => {
        running += 1;
        most = Math.max(most, running);
        if (running === 4) all.resolve();
        await all.promise;
        running -= 1;
      },
      onResult: ({ task }) => void results.push(task),
    });
    await until('all are done', () => results.length === 5);
    expect(most).toBe(4);
  });

  test('is counted, by how it ended', async () => {
    await offer('honest', 'counted', ['t']);
    await ask('honest', 'workSettle', { ...(await taken('honest', 'counted')), outcome: 'done' });
    await refusal(ask('hostile', 'workTake', {}));
    const text = await world.telemetry.metrics();
    expect(text).toMatch(/work_tasks_queued_total\S* [1-9]/);
    expect(text).toMatch(/work_tasks_taken_total\{again="false"\S* [1-9]/);
    expect(text).toMatch(/work_tasks_ended_total\{state="done"\S* [1-9]/);
    expect(text).toMatch(/work_requests_refused_total\{code="work.invalid_request"\S* [1-9]/);
  });

  test('with a name of any letters and length is itself', async () => {
    const tasks = [
      'a.b',
      'a>b',
      '*',
      'ä'.repeat(256),
      `${'x'.repeat(200)}1`,
      `${'x'.repeat(200)}2`,
      '=h',
      ' ',
    ];
    await offer('honest', 'Gruppe ä/β 1', tasks);
    const got = await Promise.all(tasks.map(() => taken('honest', 'Gruppe ä/β 1')));
    expect(got.map(({ task }) => task).toSorted()).toEqual(tasks.toSorted());
  });
});

describe('the slot', () => {
  test('is decided by the server: what is offered for another is not queued', async () => {
    const slot = await today();
    for (const wrong of [slot - day, slot + day, slot + 1, 0]) {
      const reply = await ask('hostile', 'workOffer', {
        group: 'slots',
        slotMs: day,
        slot: wrong,
        tasks: ['t'],
      });
      expect(reply).toMatchObject({ slot, queued: 0 });
    }
    expect((await statusOf('slots')).tasks).toEqual([]);
  });

  test('follows the server where the clock of the machine is an hour off, which is told', async () => {
    const ran: number[] = [];
    const member = await world.member({
      agentId: 'early',
      group: 'skewed',
      slotMs: 1_000,
      clock: () => new Date(Date.now() + 3_600_000),
      tasksOf: () => ['t'],
      run: async (_, { slot }) => void ran.push(slot),
    });
    await until('it runs', () => ran.length >= 2);
    for (const slot of ran) expect(Math.abs(slot - Date.now())).toBeLessThan(10_000);
    expect(world.telemetry.lines.some((line) => line.includes('differs from that of the server'))).toBe(true);
    await member[Symbol.asyncDispose]();
  });
});
