import type { NewEvent } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { testPostgres } from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Conflict, type Decider, type EventStore, fold, handle, openEventStore } from '../src/index.ts';

let postgres: Awaited<ReturnType<typeof testPostgres>>;
let store: EventStore;

beforeAll(async () => {
  postgres = await testPostgres();
  store = await openEventStore({ url: postgres.url, schema: 'join', context: 'join' });
  await sql`create table tally (stream text primary key, total int not null)`.execute(store.db);
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

type Counted = NewEvent<'Counted', { by: number }>;
const counter: Decider<number, { add: number[] }, Counted> = {
  initial: 0,
  decide: ({ add }) => add.map((by) => ({ type: 'Counted', v: 1, data: { by } })),
  evolve: (total, event) => total + event.data.by,
};
let streams = 0;
const newStream = () => `counter/${(streams += 1)}`;
const add = (stream: string, amounts: number[], commandId: string = uuidv7()) =>
  handle(store, { stream, decider: counter, command: { add: amounts }, commandId });

describe('handle', () => {
  test('decides on what was recorded before', async () => {
    const stream = newStream();
    await add(stream, [1, 2]);
    expect(await add(stream, [4])).toMatchObject({ version: 3, state: 7, repeated: false });
    expect(fold(counter, await store.load(stream))).toBe(7);
  });

  test('a command that decides nothing records nothing', async () => {
    expect(await add(newStream(), [])).toEqual({ events: [], version: 0, state: 0, repeated: false });
  });

  test('a repeated command is answered with what it recorded, also after others', async () => {
    const stream = newStream();
    const id = uuidv7();
    await add(stream, [1]);
    const first = await add(stream, [2, 3], id);
    await add(stream, [100]);
    expect(await add(stream, [2, 3], id)).toEqual({ ...first, repeated: true });
    expect(await store.load(stream)).toHaveLength(4);
  });

  test('of twenty concurrent repetitions one records', async () => {
    const stream = newStream();
    const id = uuidv7();
    const answers = await Promise.all(Array.from({ length: 20 }, () => add(stream, [5, 6], id)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.events))).size).toBe(1);
    expect(answers.filter((answer) => !answer.repeated)).toHaveLength(1);
    expect(await store.load(stream)).toHaveLength(2);
  });

  test('two commands at once are both recorded', async () => {
    const stream = newStream();
    const answers = await Promise.all([add(stream, [1]), add(stream, [10]), add(stream, [100])]);
    expect(fold(counter, await store.load(stream))).toBe(111);
    expect(answers.map((answer) => answer.version).toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  });

  test('a command id used for another aggregate is refused', async () => {
    const id = uuidv7();
    await add(newStream(), [1], id);
    await expect(add(newStream(), [1], id)).rejects.toMatchObject({ code: 'event_store.command_reused' });
  });

  test('a conflict that does not end is handed to the caller', async () => {
    const stream = newStream();
    let attempts = 0;
    const also = async () => {
      attempts += 1;
      throw Conflict();
    };
    const command = { add: [1] };
    const losing = handle(store, { stream, decider: counter, command, commandId: uuidv7(), also });
    await expect(losing).rejects.toMatchObject({ code: 'event_store.conflict' });
    expect(attempts).toBe(4);
    expect(await store.load(stream)).toEqual([]);
  });

  test('rows change with the events and see the state after them', async () => {
    const stream = newStream();
    await handle(store, {
      stream,
      decider: counter,
      command: { add: [3, 4] },
      commandId: uuidv7(),
      also: (trx, events, state) =>
        sql`insert into tally values (${events[0]!.stream}, ${state})`.execute(trx),
    });
    const { rows } = await sql<{ total: number }>`select total from tally where stream = ${stream}`.execute(
      store.db,
    );
    expect(rows).toEqual([{ total: 7 }]);
  });
});
