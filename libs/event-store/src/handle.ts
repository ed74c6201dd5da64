import type { EventMeta, NewEvent, StoredEvent } from '@postern/contracts';
import { AppError, delay, derivedUuid } from '@postern/core';
import type { Transaction } from 'kysely';
import type { AppendItem } from './append.ts';
import { type Decider, fold } from './decider.ts';
import type { EventStore } from './event-store.ts';
import { CommandReused, Conflict } from './failures.ts';
import type { NewRows } from './new-rows.ts';

/** A command for one aggregate. */
export interface Handling<State, Command, Event extends NewEvent, Db> {
  readonly stream: string;
  readonly decider: Decider<State, Command, Event>;
  readonly command: Command;
  /** Chosen by who wants it done: the same id again returns what was recorded the first time. */
  readonly commandId: string;
  readonly meta?: EventMeta;
  /**
   * Nobody has probably recorded anything of this stream: it is read only when it turns out that somebody has, or that a row of
   * another command is in the way.
   */
  readonly isProbablyNew?: boolean;
  /** Rows that are inserted with the events. */
  readonly rows?: NewRows<Db>;
  /** What else changes in the same transaction. May run again after a conflict. */
  readonly also?: (trx: Transaction<Db>, events: readonly StoredEvent[], state: State) => Promise<unknown>;
}

/** What a command led to. */
export interface Handled<State> {
  readonly events: readonly StoredEvent[];
  /** Version of the stream after these events. */
  readonly version: number;
  readonly state: State;
  /** True when the command had been handled before and nothing new was recorded. */
  readonly repeated: boolean;
}

const retries = 3;

/** Loads, decides and appends at the version that was loaded; after a conflict it does so again, three times. */
export async function handle<State, Command, Event extends NewEvent, Db>(
  store: EventStore<Db>,
  handling: Handling<State, Command, Event, Db>,
): Promise<Handled<State>> {
  const done = handling.isProbablyNew === true ? await handleAsNew(store, handling) : undefined;
  if (done) return done;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await handleOnce(store, handling, await store.load(handling.stream));
    } catch (error) {
      if (!Conflict.is(error)) throw error;
      if (await isUsedElsewhere(store, handling)) throw CommandReused.from(error, handling.commandId);
      if (attempt === retries) throw error;
      await delay(Math.random() * 20 * 2 ** attempt);
    }
  }
}

/**
 * Appends as to a stream that has no events. Undefined where something was there already: the same command, handled before, meets its
 * own event or its own rows, and which of them is nothing to go by.
 */
async function handleAsNew<State, Command, Event extends NewEvent, Db>(
  store: EventStore<Db>,
  handling: Handling<State, Command, Event, Db>,
): Promise<Handled<State> | undefined> {
  try {
    return await handleOnce(store, handling, []);
  } catch (error) {
    if (error instanceof AppError && (error.kind === 'conflict' || error.kind === 'already_exists'))
      return undefined;
    throw error;
  }
}

async function handleOnce<State, Command, Event extends NewEvent, Db>(
  store: EventStore<Db>,
  handling: Handling<State, Command, Event, Db>,
  history: readonly StoredEvent[],
): Promise<Handled<State>> {
  const { stream, decider, command, commandId, meta = {}, rows, also } = handling;
  const before = recordedBy(commandId, history);
  if (before) return { ...before, state: fold(decider, history.slice(0, before.version)), repeated: true };
  const state = fold(decider, history);
  const decided = decider.decide(command, state);
  const items = decided.map((event, index): AppendItem => {
    const version = history.length + index + 1;
    return { stream, version, id: eventIdOf(commandId, index), event, meta };
  });
  const next = decided.reduce((state, event) => decider.evolve(state, event), state);
  const { events, duplicate } = await store.append(items, {
    ...(rows ? { rows } : {}),
    ...(also ? { also: (trx, events) => also(trx, events, next) } : {}),
  });
  // Somebody else was handling the same command: what that one recorded is in the stream now, with the same ids.
  if (duplicate) throw Conflict();
  return { events, version: history.length + events.length, state: next, repeated: false };
}

/** The id of a command's n-th event. */
export function eventIdOf(commandId: string, index: number): string {
  return derivedUuid(commandId, String(index));
}

function recordedBy(
  commandId: string,
  history: readonly StoredEvent[],
): { readonly events: readonly StoredEvent[]; readonly version: number } | undefined {
  const firstId = eventIdOf(commandId, 0);
  const first = history.findIndex((event) => event.id === firstId);
  if (first === -1) return undefined;
  let end = first + 1;
  while (history[end]?.id === eventIdOf(commandId, end - first)) end += 1;
  return { events: history.slice(first, end), version: end };
}

async function isUsedElsewhere<State, Command, Event extends NewEvent, Db>(
  store: EventStore<Db>,
  { commandId, stream }: Handling<State, Command, Event, Db>,
): Promise<boolean> {
  const [first] = await store.find([eventIdOf(commandId, 0)]);
  return first !== undefined && first.stream !== stream;
}
