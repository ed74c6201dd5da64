import { agentSubjects } from '@postern/contracts';
import { until } from '@postern/testkit';
import { DeliveryLost } from '@postern/work-groups';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { day, refusal, type WorkRequests, workRequests } from './support/work-requests.ts';
import { startWork, type WorkWorld } from './support/work-world.ts';

let world: WorkWorld;
let ask: WorkRequests['ask'];
let offer: WorkRequests['offer'];
let taken: WorkRequests['taken'];
let statusOf: WorkRequests['statusOf'];
let today: WorkRequests['today'];

beforeAll(async () => {
  world = await startWork();
  await world.broker();
  ({ ask, offer, taken, statusOf, today } = workRequests(world));
  for (const agentId of ['honest', 'hostile']) await world.joined(agentId);
});

afterAll(() => world[Symbol.asyncDispose]());

describe('a hostile member', () => {
  test('cannot end, extend or hand back the delivery of another', async () => {
    await offer('honest', 'claimed', ['t']);
    const delivery = await taken('honest', 'claimed');
    for (const outcome of ['done', 'failed', 'returned'])
      expect(await refusal(ask('hostile', 'workSettle', { ...delivery, outcome }))).toBe(DeliveryLost.code);
    expect(await refusal(ask('hostile', 'workExtend', delivery))).toBe(DeliveryLost.code);
    await ask('honest', 'workExtend', delivery);
    await ask('honest', 'workSettle', { ...delivery, outcome: 'done' });
    expect((await statusOf('claimed')).tasks).toMatchObject([{ state: 'done', holder: 'honest' }]);
  });

  test('cannot pass its delivery off as one of another group, slot, task or attempt', async () => {
    await offer('hostile', 'own', ['t', 'u']);
    await offer('honest', 'foreign', ['t']);
    await taken('honest', 'foreign');
    const delivery = { ...(await taken('hostile', 'own')), task: 't' };
    const forged = [
      { ...delivery, group: 'foreign' },
      { ...delivery, group: 'nobody' },
      { ...delivery, slot: delivery.slot + 1 },
      { ...delivery, slot: delivery.slot + day },
      { ...delivery, task: 'v' },
      { ...delivery, attempt: delivery.attempt + 1 },
    ];
    for (const each of forged) {
      expect(await refusal(ask('hostile', 'workSettle', { ...each, outcome: 'done' }))).toBe(
        DeliveryLost.code,
      );
      expect(await refusal(ask('hostile', 'workExtend', each))).toBe(DeliveryLost.code);
    }
    expect((await statusOf('foreign')).tasks).toMatchObject([{ state: 'taken', holder: 'honest' }]);
  });

  test('cannot undo what is done', async () => {
    await offer('hostile', 'undo', ['t']);
    const delivery = await taken('hostile', 'undo');
    await ask('hostile', 'workSettle', { ...delivery, outcome: 'done', result: 'first' });
    for (const outcome of ['failed', 'returned'])
      expect(await refusal(ask('hostile', 'workSettle', { ...delivery, outcome }))).toBe(DeliveryLost.code);
    await ask('hostile', 'workSettle', { ...delivery, outcome: 'done', result: 'second' });
    expect(await refusal(ask('hostile', 'workExtend', delivery))).toBe(DeliveryLost.code);
    expect((await statusOf('undo')).tasks).toMatchObject([{ state: 'done', result: 'first' }]);
  });

  test.each([
    ['a group with a name for many subjects', 'workOffer', { group: 'a.>' }],
    ['no group', 'workOffer', { group: '' }],
    ['a slot of no time', 'workOffer', { slotMs: 0 }],
    ['a slot of a month', 'workOffer', { slotMs: 30 * day }],
    ['a slot before all time', 'workOffer', { slot: -day }],
    ['a task with a line break', 'workOffer', { tasks: ['a\nb'] }],
    ['a task with an endless name', 'workOffer', { tasks: ['x'.repeat(257)] }],
    ['a task twice', 'workOffer', { tasks: ['a', 'a'] }],
    [
      'more tasks than a message may hold',
      'workOffer',
      { tasks: Array.from({ length: 501 }, (_, i) => `t${i}`) },
    ],
    ['a wait of an hour', 'workTake', { waitMs: 3_600_000 }],
    [
      'a place for acknowledgements instead of an attempt',
      'workSettle',
      { attempt: '$JS.ACK.WORK.x.1.1.1.1.0' },
    ],
    ['an end that there is not', 'workSettle', { outcome: 'dropped' }],
    ['a reason as long as a book', 'workSettle', { reason: 'x'.repeat(5_000) }],
    ['a result as large as a disk', 'workSettle', { result: 'x'.repeat(100_000) }],
  ] as const)('is refused %s', async (_, verb, change) => {
    const slot = await today();
    const bodies = {
      workOffer: { group: 'g', slotMs: day, slot, tasks: ['t'] },
      workTake: { group: 'g', waitMs: 100 },
      workSettle: { group: 'g', slot, task: 't', attempt: 1, outcome: 'done' },
    };
    expect(await refusal(ask('hostile', verb, { ...bodies[verb], ...change }))).toBe('work.invalid_request');
  });

  test.each(['not json', '{"group":"g","__proto__":{"waitMs":1}}', '[]', 'null', ''])(
    'is refused the body %j',
    async (body) => {
      const { nats } = world.bus.connection;
      const answer = await nats.request(agentSubjects.workTake('hostile'), body);
      expect(answer.headers?.get('Postern-Error-Kind')).toBe('invalid_argument');
    },
  );

  test('may bring five hundred tasks into a slot and no more, which leaves room for others', async () => {
    const names = (from: number, count: number) => Array.from({ length: count }, (_, i) => `t${from + i}`);
    await offer('hostile', 'flood', names(0, 400));
    expect(await refusal(offer('hostile', 'flood', names(400, 101)))).toBe('work.limit_reached');
    expect(await offer('hostile', 'flood', names(400, 100))).toMatchObject({ queued: 100 });
    expect(await offer('honest', 'flood', names(1_000, 10))).toMatchObject({ queued: 10 });
    expect(await world.queued('flood')).toBe(510);
  });

  test('fills no memory with its results: a status is read as far as it fits into its message', async () => {
    await offer(
      'hostile',
      'results',
      Array.from({ length: 60 }, (_, index) => `t${index + 10}`),
    );
    await world.store.db
      .updateTable('work_task')
      .set({ state: 'done', result: JSON.stringify('x'.repeat(45_000)) })
      .where('group_name', '=', 'results')
      .execute();
    const { tasks, isPart } = await statusOf('results');
    expect(isPart).toBe(true);
    expect(tasks.map(({ task }) => task)).toEqual(Array.from({ length: 13 }, (_, index) => `t${index + 10}`));
  });

  test('may be in sixteen groups', async () => {
    await world.joined('joiner');
    for (let index = 0; index < 16; index += 1) await offer('joiner', `many-${index}`, []);
    expect(await refusal(offer('joiner', 'many-16', []))).toBe('work.limit_reached');
    expect(await offer('joiner', 'many-3', ['t'])).toMatchObject({ queued: 1 });
  });

  test('may wait for thirty-two tasks at a broker at a time', async () => {
    const asked = Array.from({ length: 200 }, () =>
      refusal(ask('hostile', 'workTake', { group: 'empty', waitMs: 300 })),
    );
    const refused = (await Promise.all(asked)).filter((code) => code === 'work.limit_reached');
    expect(refused.length).toBeGreaterThanOrEqual(200 - 2 * 32);
    expect(await ask('hostile', 'workTake', { group: 'empty', waitMs: 0 })).not.toHaveProperty('delivery');
  });

  test('that is revoked is none within seconds, whatever it holds', async () => {
    await world.joined('revoked');
    await offer('revoked', 'left', ['t']);
    const delivery = await taken('revoked', 'left');
    const known = world.store.db.updateTable('agent_roles').where('agent_id', '=', 'revoked');
    await known.set({ revoked_at: new Date() }).execute();
    await until('every broker refuses it', async () => {
      const asked = Array.from({ length: 30 }, () =>
        refusal(ask('revoked', 'workStatus', { group: 'left' })),
      );
      return (await Promise.all(asked)).every((code) => code === 'work.forbidden');
    });
    const settled = ask('revoked', 'workSettle', { ...delivery, outcome: 'done' });
    expect(await refusal(settled)).toBe('work.forbidden');
  });

  test('without the role Discovery is no member of anything', async () => {
    await world.joined('kube', ['Kube']);
    for (const agentId of ['kube', 'never-joined']) {
      expect(await refusal(offer(agentId, 'g', ['t']))).toBe('work.forbidden');
      expect(await refusal(ask(agentId, 'workTake', { group: 'g', waitMs: 0 }))).toBe('work.forbidden');
      expect(await refusal(ask(agentId, 'workStatus', { group: 'g' }))).toBe('work.forbidden');
    }
  });
});
