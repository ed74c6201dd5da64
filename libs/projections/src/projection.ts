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

/** What a projection does with one event type. */
export interface Handler<Db> {
  readonly type: string;
  apply(db: Kysely<Db>, event: StoredEvent): Promise<unknown>;
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
  return { type: type.type, apply: (db, event) => apply(db, type.read(event) as DataOf<E>, event) };
}

/** Declares a projection, once, for both ways to run it: with the append, or behind the bus. */
export function projection<Db>(
  name: string,
  version: number,
  tables: readonly (keyof Db & string)[],
  ...handlers: readonly Handler<Db>[]
): Projection<Db> {
  const byType = new Map(handlers.map((handler) => [handler.type, handler]));
  const twice = handlers.find((handler) => byType.get(handler.type) !== handler);
  if (twice) throw HandlerTwice(name, twice.type);
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
  for (const event of events) await handlers.get(event.type)?.apply(trx, event);
}
