import { derivedUuid, failure } from '@postern/core';
import { inCause, silentTelemetry } from '@postern/telemetry';
import { memoryParking, testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allStreams,
  type Bus,
  connectBus,
  type ConsumeBatchesOptions,
  type DurableMessage,
  type ParkedMessage,
} from '../src/index.ts';

const Broken = failure('internal', 'test.broken', () => 'broken');
const Away = failure('unavailable', 'test.away', () => 'away');
const Refused = failure('permission_denied', 'test.refused', () => 'refused');

let nats: Awaited<ReturnType<typeof testNats>>;
let bus: Bus;
const telemetry = silentTelemetry();

beforeAll(async () => {
  nats = await testNats();
  bus = await connectBus({ servers: nats.url, name: 'test', telemetry });
  await bus.reconcileStreams(allStreams());
});

afterAll(async () => {
  await bus[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const subject = (agent: string) => `agent.${agent}.fact.KubeRequestAudited`;
// Past the choice among the streams of facts.
const publishRaw = (agent: string, body: string | Uint8Array) =>
  bus.connection.jetstream.publish(subject(agent), body);
const publish = async (agent: string, count: number) => {
  for (let index = 0; index < count; index += 1) await publishRaw(agent, JSON.stringify({ index }));
};
const indexOf = (message: DurableMessage) => (message.json() as { index: number }).index;
const parking = () => memoryParking<ParkedMessage>();

const start = (
  agent: string,
  options: Partial<ConsumeBatchesOptions> & Pick<ConsumeBatchesOptions, 'handler'>,
  connection = bus,
) =>
  connection.consumeBatches({
    stream: 'FACT',
    durable: `test_${agent}`,
    filterSubject: `agent.${agent}.fact.>`,
    parking: parking(),
    maxBatch: 1,
    ...options,
  });

/** What the server has not seen done yet. */
async function unfinished(agent: string): Promise<number> {
  const manager = await bus.connection.manager();
  const info = await manager.consumers.info('FACT', `test_${agent}`);
  return info.num_pending + info.num_ack_pending;
}

describe('a consumer', () => {
  test('handles each message in order', async () => {
    await publish('c1', 20);
    const got: number[] = [];
    await using _ = start('c1', { handler: async ([message]) => void got.push(indexOf(message!)) });
    await until('all are handled', () => got.length === 20);
    expect(got).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  test('goes on where it was after a restart', async () => {
    await publish('c2', 3);
    const got: number[] = [];
    const handler = async ([message]: readonly DurableMessage[]) => void got.push(indexOf(message!));
    const first = start('c2', { handler });
    await until('all are handled', () => got.length === 3);
    await bus.flush();
    await first[Symbol.asyncDispose]();
    await publish('c2', 1);
    await using _ = start('c2', { handler });
    await until('the new one is handled', () => got.length === 4);
  });

  test('waits out what is unavailable without losing the order', async () => {
    await publish('c3', 3);
    const got: number[] = [];
    let failures = 3;
    await using _ = start('c3', {
      attempts: 2,
      handler: async ([message]) => {
        if (indexOf(message!) === 1 && (failures -= 1) >= 0) throw Away();
        got.push(indexOf(message!));
      },
    });
    await until('all are handled', () => got.length === 3);
    expect(got).toEqual([0, 1, 2]);
  });

  test('goes on after the server was killed', async () => {
    await publish('c4', 2);
    const got = new Set<number>();
    await using _ = start('c4', { handler: async ([message]) => void got.add(indexOf(message!)) });
    await until('both are handled', () => got.size === 2);
    await nats.kill9();
    await nats.start();
    await until('the bus is back', () => bus.isConnected);
    await publish('c4', 5);
    await until('the rest is handled', () => got.size === 5);
  });

  test('that is closed hands back what it did not begin, at once', async () => {
    await publish('c5', 10);
    const hold = Promise.withResolvers<void>();
    let began = 0;
    const first = start('c5', {
      handler: async () => {
        began += 1;
        await hold.promise;
      },
    });
    await until('one is being handled', () => began === 1);
    const closed = first[Symbol.asyncDispose]();
    hold.resolve();
    await closed;
    const got: number[] = [];
    const from = performance.now();
    await using _ = start('c5', { handler: async ([message]) => void got.push(indexOf(message!)) });
    await until('another replica has the rest', () => new Set(got).size >= 9);
    expect(performance.now() - from).toBeLessThan(10_000);
  });

  test('that an older program made in another way is changed to what this one declares', async () => {
    const manager = await bus.connection.manager();
    await manager.consumers.add('FACT', {
      durable_name: 'test_old',
      ack_policy: 'explicit',
      deliver_policy: 'all',
      max_ack_pending: 7,
      ack_wait: 1_000_000_000,
    });
    await publish('old', 2);
    const got: number[] = [];
    await using _ = start('old', { handler: async ([message]) => void got.push(indexOf(message!)) });
    await until('all are handled', () => got.length === 2);
    const { config } = await manager.consumers.info('FACT', 'test_old');
    expect(config).toMatchObject({
      filter_subject: 'agent.old.fact.>',
      max_ack_pending: 1000,
      ack_wait: 30_000_000_000,
    });
  });

  test('that cannot be changed to what is declared says what to do, and goes on once that was done', async () => {
    const manager = await bus.connection.manager();
    const other = { durable_name: 'test_fixed', ack_policy: 'none', deliver_policy: 'new' } as const;
    await manager.consumers.add('FACT', other);
    await publish('fixed', 1);
    const got: number[] = [];
    await using _ = start('fixed', { handler: async ([message]) => void got.push(indexOf(message!)) });
    await until('it says what to do', () =>
      telemetry.lines.some((line) => line.includes('consumer delete FACT test_fixed')),
    );
    await manager.consumers.delete('FACT', 'test_fixed');
    await until('it is handled', () => got.length === 1);
  });

  test('whose handler hangs leaves its messages to another replica, and goes on when it comes back', async () => {
    await publish('hung', 3);
    const hang = Promise.withResolvers<void>();
    const [first, second]: [number[], number[]] = [[], []];
    const short = { ackWaitMs: 900, hungAfterMs: 300 };
    await using _hung = start('hung', {
      ...short,
      handler: async ([message]) => {
        first.push(indexOf(message!));
        await hang.promise;
      },
    });
    await until('it hangs', () => first.length === 1);
    await using _ = start('hung', {
      ...short,
      handler: async ([message]) => void second.push(indexOf(message!)),
    });
    await until('the other has them all', () => new Set(second).size === 3);
    hang.resolve();
    await publish('hung', 1);
    await until('nothing waits', async () => (await unfinished('hung')) === 0);
  });

  test('tells how far it is behind, and its metrics say so', async () => {
    await publish('c6', 5);
    const hold = Promise.withResolvers<void>();
    await using consumption = start('c6', { handler: () => hold.promise });
    await until('it is behind', () => consumption.lag().events === 5);
    expect(consumption.lag().seconds).toBeGreaterThan(0);
    expect(await telemetry.metrics()).toMatch(
      /bus_consumer_(pending|unacknowledged)\{durable="test_c6"\} [1-5]/,
    );
    hold.resolve();
    await until('it has caught up', () => consumption.lag().events === 0);
    expect(consumption.lag().seconds).toBe(0);
  });

  test('names the event it handles as the cause of what it records', async () => {
    const id = derivedUuid('cause');
    const event = {
      id,
      stream: 'thing/1',
      version: 1,
      type: 'ThingHappened',
      v: 1,
      data: {},
      meta: { correlationId: 'conversation' },
      at: new Date().toISOString(),
    };
    await bus.publishDurable('evt.join.00.thing.1.ThingHappened', event, { msgId: id });
    const { currentCause } = await import('@postern/telemetry');
    let cause: unknown;
    await using _ = inCause(
      () => ({}),
      () =>
        bus.consume({
          stream: 'EVT_JOIN',
          durable: 'test_cause',
          parking: parking(),
          handler: async () => void (cause = currentCause()),
        }),
    );
    await until('it is handled', () => cause);
    expect(cause).toEqual({ correlationId: 'conversation', causationId: id });
  });
});

describe('a message that cannot be handled', () => {
  test('is parked whole after a few attempts, and the others go on', async () => {
    await publish('p1', 4);
    const kept = parking();
    const got: number[] = [];
    let attempts = 0;
    await using _ = start('p1', {
      maxBatch: 500,
      attempts: 3,
      parking: kept,
      async handler(messages) {
        const numbers = messages.map(indexOf);
        if (numbers.includes(2)) attempts += numbers.length === 1 ? 1 : 0;
        if (numbers.includes(2)) throw Broken();
        got.push(...numbers);
      },
    });
    await until('the others are handled', () => got.length === 3 && kept.parked.length === 1);
    expect(got).toEqual([0, 1, 3]);
    expect(attempts).toBe(3);
    const [parked] = kept.parked;
    expect(parked).toMatchObject({
      consumer: 'test_p1',
      stream: 'FACT',
      subject: subject('p1'),
      code: 'test.broken',
      error: 'broken',
    });
    expect(Buffer.from(parked!.body).toString()).toBe('{"index":2}');
    await until('the server forgot it', async () => (await unfinished('p1')) === 0);
    expect(
      telemetry.lines.some((line) => line.includes('a message was parked') && line.includes('test_p1')),
    ).toBe(true);
    expect(await telemetry.metrics()).toContain('bus_parked_total{durable="test_p1"} 1');
  });

  test('and never will be is parked at the first attempt', async () => {
    await publish('p2', 1);
    const kept = parking();
    let attempts = 0;
    await using _ = start('p2', {
      parking: kept,
      handler: () => {
        attempts += 1;
        throw Refused();
      },
    });
    await until('it is parked', () => kept.parked.length === 1);
    expect(attempts).toBe(1);
  });

  test('is kept by the server while it cannot be parked, and nothing overtakes it', async () => {
    await publish('p3', 2);
    let isFull = true;
    const kept = memoryParking<ParkedMessage>(() => isFull);
    const got: number[] = [];
    await using _ = start('p3', {
      parking: kept,
      handler: async ([message]) => {
        if (indexOf(message!) === 0) throw Refused();
        got.push(indexOf(message!));
      },
    });
    await until('parking it failed', () =>
      telemetry.lines.some((line) => line.includes('cannot be parked') && line.includes('agent.p3.')),
    );
    expect(await unfinished('p3')).toBe(2);
    expect(got).toEqual([]);
    isFull = false;
    await until('it is parked and the next one handled', () => kept.parked.length === 1 && got.length === 1);
  });

  test('is dropped, with an alarm, when its sender has its share of parked ones (E-10)', async () => {
    await publish('flood', 5);
    await publishRaw('flood', '{"index":9}');
    const kept = parking();
    const got: number[] = [];
    await using _ = start('flood', {
      parking: kept,
      maxParkedOfSubject: 2,
      handler: async ([message]) => {
        if (indexOf(message!) < 5) throw Refused();
        got.push(indexOf(message!));
      },
    });
    await until('the good one is handled', () => got.length === 1);
    expect(kept.parked).toHaveLength(2);
    const alarms = telemetry.lines.filter(
      (line) => line.includes('messages are dropped') && line.includes('agent.flood.'),
    );
    expect(alarms).toHaveLength(1);
    await until('nothing is left', async () => (await unfinished('flood')) === 0);
  });

  test('of a broken handler is parked past the share of its sender', async () => {
    await publish('bug', 3);
    const kept = parking();
    await using _ = start('bug', {
      parking: kept,
      maxParkedOfSubject: 1,
      attempts: 1,
      handler: () => Promise.reject(Broken()),
    });
    await until('all are parked', () => kept.parked.length === 3);
  });

  test('is there for the next replica when the one that had it goes before it is parked', async () => {
    await publish('p4', 1);
    const never = memoryParking<ParkedMessage>(() => true);
    const refuse = () => Promise.reject(Refused());
    {
      await using _ = start('p4', { parking: never, handler: refuse });
      await until('parking it failed', () =>
        telemetry.lines.some((line) => line.includes('cannot be parked') && line.includes('agent.p4.')),
      );
    }
    const kept = parking();
    await using _ = start('p4', { parking: kept, handler: refuse });
    await until('it is parked', () => kept.parked.length === 1);
  });

  test('is handed to the same handler when it is retried, never beside another message', async () => {
    await publish('p5', 3);
    const kept = parking();
    let isFixed = false;
    let running = 0;
    const got: number[] = [];
    await using _ = start('p5', {
      parking: kept,
      handler: async ([message]) => {
        running += 1;
        expect(running).toBe(1);
        await bus.flush();
        running -= 1;
        if (indexOf(message!) === 0 && !isFixed) throw Refused();
        got.push(indexOf(message!));
      },
    });
    await until('it is parked', () => kept.parked.length === 1);
    const [parked] = kept.parked;
    await expect(kept.retry(parked!)).rejects.toMatchObject({ code: 'test.refused' });
    isFixed = true;
    const others = publish('p5', 5);
    await kept.retry(parked!);
    await others;
    await until('all are handled', () => got.length === 8);
    expect(got.filter((index) => index === 0)).toHaveLength(2);
    expect(kept.parked).toEqual([]);
  });

  test.each([
    ['that is no JSON', '{"index": '],
    ['that is empty', ''],
    ['with __proto__ in it', '{"index": 1, "__proto__": {"isAdmin": true}}'],
    ['with a NUL character', '"a\\u0000b"'],
    ['that is not UTF-8', Uint8Array.of(0x22, 0xff, 0xfe, 0x22)],
  ])('because of a body %s is parked with that very body', async (name, body) => {
    const agent = `b${name.replaceAll(/\W/g, '')}`;
    await publishRaw(agent, body);
    await publish(agent, 1);
    const kept = parking();
    const got: number[] = [];
    await using _ = start(agent, {
      maxBatch: 10,
      parking: kept,
      handler: async (messages) => {
        const read = messages.map(indexOf);
        got.push(...read);
      },
    });
    await until('the good one is handled', () => got.length === 1 && kept.parked.length === 1);
    expect(Buffer.from(kept.parked[0]!.body)).toEqual(Buffer.from(body));
  });

  test('because its body is larger than any of ours is parked', async () => {
    const large = await testNats({ config: 'max_payload: 4MB' });
    await using _server = large;
    await using own = await connectBus({ servers: large.url, name: 'large' });
    await own.reconcileStreams(allStreams());
    const body = JSON.stringify({ index: 1, padding: 'x'.repeat(2 * 1024 ** 2) });
    await own.connection.jetstream.publish(subject('large'), body);
    const kept = parking();
    await using _ = start(
      'large',
      { parking: kept, handler: async ([message]) => void message!.json() },
      own,
    );
    await until('it is parked', () => kept.parked.length === 1);
    expect(kept.parked[0]).toMatchObject({ code: 'bus.invalid_message' });
  });

  test.each([
    ['without an id', { id: undefined }],
    ['whose id is a path', { id: '../../x' }],
    ['of no stream', { stream: 'nothing' }],
    ['of version 0', { version: 0 }],
    ['of a version that is text', { version: '1' }],
    ['whose data is a list', { data: [] }],
    ['of no time', { at: 'yesterday' }],
  ])('because it is an event %s is parked', async (name, changes) => {
    const id = derivedUuid('event', name);
    const event = {
      id,
      stream: 'thing/1',
      version: 1,
      type: 'ThingHappened',
      v: 1,
      data: {},
      meta: {},
      at: new Date().toISOString(),
      ...changes,
    };
    const token = name.replaceAll(/\W/g, '');
    await bus.publishDurable(`evt.resource.00.thing.${token}.ThingHappened`, event);
    const kept = parking();
    await using _ = bus.consume({
      stream: 'EVT_RESOURCE',
      durable: `test_event_${token}`,
      filterSubject: `evt.resource.00.thing.${token}.ThingHappened`,
      parking: kept,
      handler: async (message) => void message.event(),
    });
    await until('it is parked', () => kept.parked.length === 1);
    expect(kept.parked[0]).toMatchObject({ code: 'bus.invalid_message', aggregate: `thing/${token}` });
  });
});
