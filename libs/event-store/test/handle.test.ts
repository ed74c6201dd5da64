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

interface TallyDb {
  readonly tally: { readonly stream: string; readonly total: number };
}

/** Adds to a counter that is probably new, with a row of its own. */
const begin = (stream: string, by: number, { row = stream, commandId = uuidv7() } = {}) =>
  handle(store as EventStore<TallyDb>, {
    stream,
    decider: counter,
    command: { add: [by] },
    commandId,
    isProbablyNew: true,
    rows: { tally: [{ stream: row, total: by }] },
  });

async function talliesOf(...streams: string[]): Promise<unknown[]> {
  const { rows } =
    await sql`select * from tally where stream = any(${streams}::text[]) order by stream`.execute(store.db);
  return rows;
}

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

  test('rows are inserted by the statement of the events, of one or of many', async () => {
    const [one, many] = [newStream(), newStream()];
    expect(await begin(one, 3)).toMatchObject({ version: 1, state: 3, repeated: false });
    await handle(store as EventStore<TallyDb>, {
      stream: many,
      decider: counter,
      command: { add: [1, 1] },
      commandId: uuidv7(),
      rows: {
        tally: [
          { stream: many, total: 2 },
          { stream: `${many}b`, total: 0 },
        ],
      },
    });
    expect(await talliesOf(one, many, `${many}b`)).toEqual([
      { stream: one, total: 3 },
      { stream: many, total: 2 },
      { stream: `${many}b`, total: 0 },
    ]);
  });

  test('what was taken for new and is not is decided on what was recorded', async () => {
    const stream = newStream();
    await add(stream, [1]);
    expect(await begin(stream, 4)).toMatchObject({ version: 2, state: 5, repeated: false });
    expect(await talliesOf(stream)).toEqual([{ stream, total: 4 }]);
  });

  test('of twenty concurrent repetitions that take themselves for the first one records, with its row', async () => {
    const stream = newStream();
    const commandId = uuidv7();
    const answers = await Promise.all(Array.from({ length: 20 }, () => begin(stream, 5, { commandId })));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.events))).size).toBe(1);
    expect(answers.filter((answer) => !answer.repeated)).toHaveLength(1);
    expect(await begin(stream, 5, { commandId })).toMatchObject({ version: 1, repeated: true });
    expect(await talliesOf(stream)).toEqual([{ stream, total: 5 }]);
  });

  test('a row that is taken keeps the event from being recorded, and an event that is taken the row', async () => {
    const [stream, other] = [newStream(), newStream()];
    await begin(stream, 1);
    await expect(begin(other, 2, { row: stream })).rejects.toMatchObject({ code: 'event_store.row_exists' });
    expect(await store.load(other)).toEqual([]);
    const gap = {
      stream: other,
      version: 2,
      id: uuidv7(),
      event: { type: 'Counted', v: 1, data: { by: 1 } },
    };
    const rows = { tally: [{ stream: other, total: 1 }] };
    await expect((store as EventStore<TallyDb>).append([gap], { rows })).rejects.toMatchObject({
      code: 'event_store.version_gap',
    });
    expect(await talliesOf(stream, other)).toEqual([{ stream, total: 1 }]);
  });
});
