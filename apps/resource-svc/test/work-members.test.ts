import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { MemberSettings } from './support/work-member.ts';
import { type MemberProcess, startWork, type WorkWorld } from './support/work-world.ts';

const leaseMs = 1_000;
/** So long that no test sees two of them. */
const day = 86_400_000;

let world: WorkWorld;
let started = 0;

beforeAll(async () => {
  world = await startWork({ leaseMs });
  await world.broker();
});

afterAll(() => world[Symbol.asyncDispose]());

const notesOf = (members: readonly MemberProcess[]) =>
  members.flatMap((member) => member.notes()).toSorted((a, b) => a.at - b.at);

const startsOf = (members: readonly MemberProcess[]) =>
  notesOf(members).filter(({ what }) => what === 'start');
const doneOf = (members: readonly MemberProcess[]) => notesOf(members).filter(({ what }) => what === 'done');

const rowsOf = (group: string) =>
  world.store.db
    .selectFrom('work_task')
    .selectAll()
    .where('group_name', '=', group)
    .orderBy('slot')
    .execute();

async function start(
  count: number,
  settings: Omit<MemberSettings, 'servers' | 'agentId'>,
  on = world,
): Promise<MemberProcess[]> {
  const names = Array.from({ length: count }, () => `member-${(started += 1)}`);
  const members = await Promise.all(names.map((agentId) => on.memberProcess({ ...settings, agentId })));
  onTestFinished(async () => {
    await Promise.all(members.map((member) => member.kill9()));
  });
  return members;
}

/** The member that runs the only task of its group. */
async function runner(members: readonly MemberProcess[]): Promise<MemberProcess> {
  return until('somebody runs the task', () => members.find((member) => startsOf([member]).length > 0));
}

describe('three member processes', () => {
  test('do each task of thirty slots exactly once, all of them some', { timeout: 90_000 }, async () => {
    const tasks = ['a', 'b', 'c'];
    const members = await start(3, { group: 'steady', slotMs: 1_000, tasks, runMs: 60 });
    await until('thirty slots are done', () => new Set(doneOf(members).map(({ slot }) => slot)).size > 31, {
      withinMs: 60_000,
      everyMs: 250,
    });
    const runs = startsOf(members);
    const slots = [...new Set(runs.map(({ slot }) => slot))].toSorted((a, b) => a - b).slice(0, 31);
    expect(slots).toEqual(slots.map((_, index) => slots[0]! + index * 1_000));
    const names = runs.filter(({ slot }) => slots.includes(slot)).map(({ slot, task }) => `${slot} ${task}`);
    expect(names.toSorted()).toEqual(
      slots.flatMap((slot) => tasks.map((task) => `${slot} ${task}`)).toSorted(),
    );
    expect(runs.every(({ attempt }) => attempt === 1)).toBe(true);
    for (const member of members) expect(member.notes().length).toBeGreaterThan(10);
  });

  test('take over from one that is killed, within the time of the lease', async () => {
    const members = await start(3, { group: 'killed', slotMs: day, tasks: ['t'], runMs: 2_000 });
    const first = await runner(members);
    await first.kill9();
    const killedAt = Date.now();
    const others = members.filter((member) => member !== first);
    const second = await until('another begins', () => startsOf(others)[0]);
    expect(second).toMatchObject({ attempt: 2, task: 't' });
    expect(second.at - killedAt).toBeLessThan(3 * leaseMs);
    const done = await until('it is done', () => doneOf(others)[0]);
    expect(done.member).toBe(second.member);
    expect(await rowsOf('killed')).toMatchObject([{ state: 'done', attempt: 2, holder: second.member }]);
  });

  test.each([
    { how: 'hears that it is aborted', isDeaf: false },
    { how: 'goes on regardless', isDeaf: true },
  ])('refuse the work of one that was stopped for too long and $how', async ({ isDeaf }) => {
    const group = `stopped-${isDeaf}`;
    const members = await start(3, { group, slotMs: day, tasks: ['t'], runMs: 2_000, isDeaf });
    const first = await runner(members);
    process.kill(first.pid, 'SIGSTOP');
    const others = members.filter((member) => member !== first);
    const second = await until('another begins', () => startsOf(others)[0]);
    process.kill(first.pid, 'SIGCONT');
    const lost = await until('the first one hears that it is lost', () =>
      first.notes().find(({ what }) => what !== 'start'),
    );
    expect(lost).toMatchObject({ what: 'lost', attempt: 1 });
    await until('it is done', () => doneOf(others)[0]);
    const [row] = await rowsOf(group);
    expect(row).toMatchObject({ state: 'done', attempt: 2, holder: second.member });
    expect(JSON.parse(row!.result!)).toEqual({ by: second.member });
  });

  test('hand back what they run when they are asked to stop', async () => {
    const members = await start(2, { group: 'leaving', slotMs: day, tasks: ['t'], runMs: -1 });
    const first = await runner(members);
    const ended = first.stop();
    const other = members.find((member) => member !== first)!;
    const second = await until('the other begins', () => startsOf([other])[0]);
    expect(second).toMatchObject({ attempt: 2 });
    expect(await ended).toBe(0);
    expect(first.notes().at(-1)).toMatchObject({ what: 'returned' });
    expect(await rowsOf('leaving')).toMatchObject([{ state: 'taken', attempt: 2, returned: 1 }]);
  });
});

describe('a broker', () => {
  test('that ends stops nobody: the others answer', async () => {
    const group = 'brokers';
    const other = await world.broker();
    const members = await start(3, { group, slotMs: 1_000, tasks: ['a', 'b'], runMs: 200 });
    await runner(members);
    await other[Symbol.asyncDispose]();
    const known = doneOf(members).length;
    await until('three more slots are done', () => doneOf(members).length >= known + 6, { withinMs: 30_000 });
    const rows = await rowsOf(group);
    expect(rows.filter(({ state }) => state === 'failed')).toEqual([]);
  });
});

describe('a killed nats-server', () => {
  test(
    'makes no task run again, neither those that are done nor those under way',
    { timeout: 90_000 },
    async () => {
      await using own = await startWork();
      const tasks = ['a', 'b', 'c', 'd'];
      const settings = { group: 'bus', slotMs: day, runMs: 2_500 };
      const early = await start(2, { ...settings, tasks }, own);
      await until('two tasks are under way', () => startsOf(early).length === 2);
      await own.nats.kill9();
      await own.nats.start();
      await until('all is done', () => doneOf(early).length === 4, { withinMs: 40_000 });
      await own.nats.kill9();
      await own.nats.start();
      // Offers the slot that is done, as one does who was slow.
      const late = await start(1, { ...settings, tasks: [...tasks, 'e'] }, own);
      await until('its own task is done', () => doneOf(late).length + doneOf(early).length === 5);
      await until('nothing can be delivered again', async () => (await own.queued('bus')) === 0);
      const runs = startsOf([...early, ...late]);
      expect(runs.map(({ task, attempt }) => `${task}${attempt}`).toSorted()).toEqual([
        'a1',
        'b1',
        'c1',
        'd1',
        'e1',
      ]);
    },
  );

  test(
    'stops no group when it happens again and again, and makes no task done twice',
    { timeout: 120_000 },
    async () => {
      const members = await start(3, { group: 'kills', slotMs: 2_000, tasks: ['a', 'b'], runMs: 300 });
      await runner(members);
      for (let kill = 0; kill < 5; kill += 1) {
        const known = doneOf(members).length;
        await world.nats.kill9();
        await world.nats.start();
        await until('work goes on', () => doneOf(members).length >= known + 3, { withinMs: 30_000 });
      }
      const done = doneOf(members);
      expect(new Set(done.map(({ slot, task }) => `${slot} ${task}`)).size).toBe(done.length);
      expect((await rowsOf('kills')).filter(({ state }) => state === 'failed')).toEqual([]);
    },
  );
});

test('what a member has anew is offered as soon as it says so', async () => {
  const [tasks, ran]: string[][] = [['one'], []];
  const member = await world.member({
    agentId: 'anew',
    group: 'anew',
    slotMs: day,
    tasksOf: () => tasks!,
    run: (task) => Promise.resolve(void ran!.push(task)),
  });
  await until('the first task is done', () => ran!.includes('one'));
  tasks!.push('two');
  member.offerNow();
  await until('the second is, too', () => ran!.includes('two'), { withinMs: 20_000 });
});
