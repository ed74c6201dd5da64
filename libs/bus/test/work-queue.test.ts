import { workConsumer } from '@postern/contracts';
import { type TestNats, testNats, until } from '@postern/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Bus,
  connectBus,
  createOperatorConfig,
  inboxPrefix,
  openWorkQueue,
  operatorServerConfig,
  type WorkQueue,
  WorkQueueFull,
  workStream,
} from '../src/index.ts';
import { credentialsFor } from './support/bus-users.ts';

const ackWaitMs = 400;

let scope: AsyncDisposableStack;
let nats: TestNats;
let bus: Bus;
let queue: WorkQueue;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  nats = scope.use(await testNats());
  bus = scope.use(await connectBus({ servers: nats.url, name: 'broker' }));
  await bus.reconcileStreams([workStream()]);
  queue = openWorkQueue(bus, { ackWaitMs });
});

afterEach(() => scope.disposeAsync());

const task = (name: string, group = 'g') => ({ group, slot: 1_000, task: name });

/** Ends nats-server as a power switch would, and waits for the connection to be back. */
async function crash(): Promise<void> {
  await nats.kill9();
  await nats.start();
  await until(
    'the bus is back',
    async () => bus.isConnected && (await queue.put(task('probe', 'probes'))) !== undefined,
  );
}

describe('the work queue', () => {
  test('takes a task of a slot once, also after a crash', async () => {
    expect(await queue.put(task('t'))).toBe(true);
    expect(await queue.put(task('t'))).toBe(false);
    await crash();
    expect(await queue.put(task('t'))).toBe(false);
    expect(await queue.put({ ...task('t'), slot: 2_000 })).toBe(true);
  });

  test('delivers to one at a time, each task to one, and none of another group', async () => {
    for (const name of ['a', 'b', 'c']) await queue.put(task(name));
    await queue.put(task('d', 'other'));
    const pulled = await Promise.all(Array.from({ length: 4 }, () => queue.pull('g', 200)));
    expect(pulled.map((each) => each?.task ?? '').toSorted()).toEqual(['', 'a', 'b', 'c']);
    expect(await queue.pull('other', 200)).toMatchObject(task('d', 'other'));
  });

  test('answers who waits as soon as there is a task', async () => {
    const waiting = queue.pull('g', 5_000);
    await queue.put(task('t'));
    expect(await waiting).toMatchObject(task('t'));
  });

  test('delivers again what is not heard of, later what is extended, and never what is finished', async () => {
    for (const name of ['silent', 'extended', 'finished']) await queue.put(task(name));
    const startedAt = performance.now();
    const pulled = await Promise.all(Array.from({ length: 3 }, () => queue.pull('g', 1_000)));
    const ackOf = (name: string) => pulled.find((each) => each?.task === name)!.ack;
    await queue.finish(ackOf('finished'));
    const extending = setInterval(() => queue.extend(ackOf('extended')), ackWaitMs / 4);
    expect(await queue.pull('g', 5_000)).toMatchObject({ task: 'silent' });
    expect(performance.now() - startedAt).toBeGreaterThan(ackWaitMs * 0.9);
    clearInterval(extending);
    const rest = await Promise.all([queue.pull('g', 5 * ackWaitMs), queue.pull('g', 5 * ackWaitMs)]);
    expect(rest.map((each) => each?.task ?? '').toSorted()).toEqual(['extended', 'silent']);
  });

  test('delivers again when it is asked to', async () => {
    await queue.put(task('t'));
    const { ack } = (await queue.pull('g', 1_000))!;
    const askedAt = performance.now();
    queue.again(ack, 100);
    expect(await queue.pull('g', 5_000)).toMatchObject({ task: 't' });
    expect(performance.now() - askedAt).toBeGreaterThan(90);
    expect(performance.now() - askedAt).toBeLessThan(ackWaitMs);
  });

  test('makes the consumer of a group again when it is gone', async () => {
    await queue.put(task('a'));
    await queue.pull('g', 1_000);
    const manager = await bus.connection.manager();
    await manager.consumers.delete('WORK', workConsumer('g'));
    await queue.put(task('b'));
    const pulled = await Promise.all([queue.pull('g', 1_000), queue.pull('g', 1_000)]);
    expect(pulled.map((each) => each?.task ?? '').toSorted()).toEqual(['a', 'b']);
  });

  test('says so when it is full', async () => {
    await bus.reconcileStreams([{ ...workStream(), max_bytes: 2_000 }]);
    const fill = async () => {
      for (let index = 0; index < 100; index += 1) await queue.put(task(`t${index}`));
    };
    await expect(fill()).rejects.toSatisfy(WorkQueueFull.is);
  });

  test('needs no more than the credential of the service', async () => {
    const operator = createOperatorConfig();
    await using guarded = await testNats({ config: operatorServerConfig(operator) });
    const connectAs = (service: 'join-svc' | 'resource-svc') => {
      const creds = credentialsFor(operator, { agentId: service, roles: ['Auth'], service });
      return connectBus({ servers: guarded.url, name: service, creds, inboxPrefix: inboxPrefix(service) });
    };
    await using maker = await connectAs('join-svc');
    await maker.reconcileStreams([workStream()]);
    await using service = await connectAs('resource-svc');
    const guardedQueue = openWorkQueue(service, { ackWaitMs });
    await guardedQueue.put(task('t', 'Gruppe ä.*.>'));
    const { ack } = (await guardedQueue.pull('Gruppe ä.*.>', 1_000))!;
    guardedQueue.extend(ack);
    guardedQueue.again(ack, 1);
    const again = await guardedQueue.pull('Gruppe ä.*.>', 1_000);
    expect(again).toMatchObject({ task: 't' });
    await guardedQueue.finish(again!.ack);
    const { state } = await (await service.connection.manager()).streams.info('WORK');
    expect(state.messages).toBe(0);
  });

  test.each([
    '',
    'view.x',
    'evt.resource.00.role.x.ResourceDeleted',
    '$JS.ACK.EVT_JOIN.c.1.1.1.1.0',
    '$JS.ACK.WORK.>',
  ])('speaks on no subject but those for acknowledgements of its own: not on %j', async (subject) => {
    expect(() => queue.extend(subject)).toThrow('acknowledgements');
    expect(() => queue.again(subject, 1)).toThrow('acknowledgements');
    await expect(queue.finish(subject)).rejects.toThrow('acknowledgements');
  });
});
