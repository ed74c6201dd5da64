import type { DataOf, EventType, StoredEvent } from '@postern/contracts';
import { failure } from '@postern/core';
import type { Kysely, Transaction } from 'kysely';

/** Two handlers of one projection for one event type: a bug. */
export const HandlerTwice = failure(
  'internal',
  'projections.handler_twice',
  (projection: string, type: string) => `the projection ${projection} handles ${type} twice`,
);

/** Changes rows as an event says. */
export type Apply<Data, Db> = (db: Kysely<Db>, data: Data, event: StoredEvent) => Promise<unknown>;

/** Changes rows as a run of events says, of which there is at least one. */
export type ApplyMany<Data, Db> = (
  db: Kysely<Db>,
  events: readonly { readonly data: Data; readonly event: StoredEvent }[],
) => Promise<unknown>;

/** An event of one of several types, recognised by `type`. */
export type EventAmong<E> =
  E extends EventType<infer Name>
    ? { readonly type: Name; readonly data: DataOf<E>; readonly event: StoredEvent }
    : never;

/** What a projection does with an event type, or with several. */
export interface Handler<Db> {
  readonly types: readonly string[];
  apply(db: Kysely<Db>, events: readonly StoredEvent[]): Promise<unknown>;
}

/** Rows that are made from events and from nothing else. */
export interface Projection<Db> {
  readonly name: string;
  /** Raised when the handlers make other rows of the same events: then they are rebuilt. */
  readonly version: number;
  readonly tables: readonly (keyof Db & string)[];
  readonly handlers: ReadonlyMap<string, Handler<Db>>;
}

/** Declares what to do with an event type; `data` is in its current version, whichever was recorded. */
export function on<E extends EventType, Db>(type: E, apply: Apply<DataOf<E>, Db>): Handler<Db> {
  return {
    types: [type.type],
    async apply(db, events) {
      for (const event of events) await apply(db, type.read(event) as DataOf<E>, event);
    },
  };
}

/** Like `on`, for rows that can be written together: events of this type that follow each other come at once, at most 1,000. */
export function onMany<E extends EventType, Db>(type: E, apply: ApplyMany<DataOf<E>, Db>): Handler<Db> {
  return {
    types: [type.type],
    apply: (db, events) =>
      apply(
        db,
        events.map((event) => ({ data: type.read(event) as DataOf<E>, event })),
      ),
  };
}

/** Like `onMany`, for several event types: what follows each other comes at once, whichever of these it is, in its order. */
export function onManyOf<const E extends readonly EventType[], Db>(
  types: E,
  apply: (db: Kysely<Db>, events: readonly EventAmong<E[number]>[]) => Promise<unknown>,
): Handler<Db> {
  const byName = new Map(types.map((type) => [type.type, type]));
  const read = (event: StoredEvent) => ({
    type: event.type,
    data: byName.get(event.type)!.read(event),
    event,
  });
  return {
    types: [...byName.keys()],
    apply: (db, events) => apply(db, events.map(read) as unknown as EventAmong<E[number]>[]),
  };
}

/** Declares a projection, once, for both ways to run it: with the append, or behind the bus. */
export function projection<Db>(
  name: string,
  version: number,
  tables: readonly (keyof Db & string)[],
  ...handlers: readonly Handler<Db>[]
): Projection<Db> {
  const byType = new Map<string, Handler<Db>>();
  for (const [type, handler] of handlers.flatMap((handler) =>
    handler.types.map((type) => [type, handler] as const),
  )) {
    if (byType.has(type)) throw HandlerTwice(name, type);
    byType.set(type, handler);
  }
  return { name, version, tables, handlers: byType };
}

/**
 * Applies events to the rows in the transaction that records them, for readers that must see their own writes:
 * `handle(store, { …, also: (trx, events) => applyInline(resourceList, trx, events) })`.
 */
export async function applyInline<Db>(
  { handlers }: Projection<Db>,
  trx: Transaction<Db> | Kysely<Db>,
  events: readonly StoredEvent[],
): Promise<void> {
  for (const { handler, run } of runsOf(handlers, events)) await handler.apply(trx, run);
}

// A statement takes 65,535 parameters.
const longestRun = 1000;

interface Run<Db> {
  readonly handler: Handler<Db>;
  readonly run: StoredEvent[];
}

/** The events in their order, those of one handler that follow each other together. */
function runsOf<Db>(
  handlers: Projection<Db>['handlers'],
  events: readonly StoredEvent[],
): readonly Run<Db>[] {
  const runs: Run<Db>[] = [];
  for (const event of events) {
    const handler = handlers.get(event.type);
    if (!handler) continue;
    const last = runs.at(-1);
    if (last?.handler === handler && last.run.length < longestRun) last.run.push(event);
    else runs.push({ handler, run: [event] });
  }
  return runs;
}
