import { failure } from '@postern/core';
import { testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allStreams, type Bus, connectBus, eventStream } from '../src/index.ts';

let nats: Awaited<ReturnType<typeof testNats>>;
let bus: Bus;

beforeAll(async () => {
  nats = await testNats();
  bus = await connectBus({ servers: nats.url, name: 'test' });
  await bus.reconcileStreams(allStreams());
});

afterAll(async () => {
  await bus[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

describe('messages', () => {
  test('reach every subscriber with body and headers', async () => {
    const got: unknown[] = [];
    bus.subscribe('greet.*', {}, (message) => {
      got.push([message.subject, message.json(), message.headers['traceparent']]);
    });
    await bus.flush();
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    bus.publish('greet.you', { hello: 1 }, { traceparent });
    await until('the message is there', () => got.length > 0);
    expect(got).toEqual([['greet.you', { hello: 1 }, traceparent]]);
  });

  test('reach one member of a queue', async () => {
    let count = 0;
    for (let member = 0; member < 3; member += 1)
      bus.subscribe('work', { queue: 'q' }, () => void (count += 1));
    for (let index = 0; index < 30; index += 1) bus.publish('work', index);
    await until('all are handled', () => count >= 30);
    await bus.flush();
    expect(count).toBe(30);
  });
});

describe('requests', () => {
  test('are answered', async () => {
    bus.subscribe('double', {}, (message) => message.respond(Number(message.json()) * 2));
    expect(await bus.request('double', 21)).toBe(42);
  });

  test('carry a failure of the one who answers', async () => {
    const Nope = failure('permission_denied', 'test.nope', () => 'not you');
    bus.subscribe('nope', {}, () => {
      throw Nope();
    });
    const asked = bus.request('nope', 1);
    await expect(asked).rejects.toMatchObject({
      kind: 'permission_denied',
      code: 'test.nope',
      message: 'not you',
    });
  });

  test('nobody answers fail at once', async () => {
    await expect(bus.request('nobody.here', 1)).rejects.toMatchObject({ code: 'bus.no_responder' });
  });

  test('that are not answered in time fail', async () => {
    bus.subscribe('silence', {}, () => {});
    await expect(bus.request('silence', 1, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'bus.timeout' });
  });

  test('with a body that is not sound JSON are refused', async () => {
    bus.subscribe('strict', {}, (message) => message.respond(message.json()));
    const asked = bus.request('strict', JSON.parse('{"__proto__": 1}'));
    await expect(asked).rejects.toMatchObject({ code: 'core.invalid_json' });
  });
});

describe('an answer', () => {
  test('goes to an inbox only, so that nobody can have us publish for them', async () => {
    const heard: string[] = [];
    bus.subscribe('forged.>', {}, (message) => void heard.push(message.text()));
    bus.subscribe('echo', {}, (message) => message.respond(message.json()));
    bus.subscribe('broken', {}, () => {
      throw new TypeError('broken');
    });
    await bus.flush();
    const { nats } = bus.connection;
    nats.publish('echo', '"a"', { reply: 'forged.answer' });
    nats.publish('broken', '"a"', { reply: 'forged.failure' });
    nats.publish('forged.last', 'last');
    expect(await bus.request('echo', 'b')).toBe('b');
    await until('the last one came', () => heard.includes('last'));
    expect(heard).toEqual(['last']);
  });
});

describe('durable messages', () => {
  test('are stored once per message id', async () => {
    const first = await bus.publishDurable('agent.a1.fact.KubeRequestAudited', { a: 1 }, { msgId: 'one' });
    const again = await bus.publishDurable('agent.a1.fact.KubeRequestAudited', { a: 1 }, { msgId: 'one' });
    expect(first).toMatchObject({ stream: expect.stringMatching(/^FACT(?:_[23])?$/), duplicate: false });
    expect(again).toEqual({ ...first, duplicate: true });
  });

  test('for which there is no JetStream stream are refused', async () => {
    await expect(bus.publishDurable('nowhere', 1)).rejects.toMatchObject({ code: 'bus.no_responder' });
  });
});

describe('streams', () => {
  test('are left alone when they are as declared, and updated when not', async () => {
    await bus.reconcileStreams(allStreams());
    await bus.reconcileStreams([eventStream('join', { maxAgeDays: 3 })]);
    await bus.reconcileStreams([eventStream('join')]);
  });

  test('that the server cannot change are refused with the reason', async () => {
    const changed = bus.reconcileStreams([{ ...eventStream('join'), storage: 'memory' }]);
    await expect(changed).rejects.toMatchObject({ code: 'bus.stream_refused', message: /EVT_JOIN.*storage/ });
  });

  test('with a setting the server does not know are refused', async () => {
    const strange = { ...eventStream('join'), from_the_future: 1 };
    await expect(bus.reconcileStreams([strange])).rejects.toMatchObject({ kind: 'failed_precondition' });
  });
});

describe('a lost connection', () => {
  test('ends requests at once and comes back by itself', async () => {
    bus.subscribe('slow', {}, () => {});
    await bus.flush();
    let reconnections = 0;
    const stop = bus.onReconnect(() => void (reconnections += 1));
    const asked = bus.request('slow', 1, { timeoutMs: 30_000 });
    const outcome = expect(asked).rejects.toMatchObject({ code: 'bus.unavailable' });
    await nats.kill9();
    await outcome;
    await expect(bus.request('slow', 1)).rejects.toMatchObject({ code: 'bus.unavailable' });
    await nats.start();
    await until('the bus is back', () => bus.isConnected);
    stop();
    expect(reconnections).toBe(1);
  });
});
