import type { EventContext, StoredEvent } from '@postern/contracts';
import { type Clock, delay, messageOf, systemClock } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import { type AppendItem, insertEvents, storedEvents } from './append.ts';
import { Conflict, type ConstraintFailures, StoreUnavailable } from './failures.ts';
import { migrate } from './migrate.ts';
import type { NewRows } from './new-rows.ts';
import { openPool, type PostgresOptions } from './postgres.ts';
import { findEvents, loadStream, type PositionedEvent, readFeed } from './read.ts';

/** How a service opens its store. */
export interface EventStoreOptions {
  readonly url: string;
  /** The service's own Postgres schema. */
  readonly schema: string;
  readonly context: EventContext;
  /** Folder of the service's numbered .sql files; the store's own tables are made without being asked. */
  readonly migrations?: string;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
  readonly clock?: Clock;
  readonly poolSize?: number;
  /** Milliseconds after which a connection that does not answer is given up; without it a little more than a statement may take. */
  readonly answerWithinMs?: number;
  /** Named constraints of the service's tables and what their violation means. */
  readonly constraints?: ConstraintFailures;
  /** How long to wait for Postgres at start, in milliseconds. */
  readonly patienceMs?: number;
}

/** What an append did. */
export interface Appended {
  /** As recorded: with `duplicate`, what was recorded the first time. */
  readonly events: readonly StoredEvent[];
  readonly duplicate: boolean;
}

/** Where the rows of the same transaction are written. */
export interface AppendOptions<Db> {
  /** A transaction of `store.transaction`: a conflict then ends it, and its owner starts again. */
  readonly trx?: Transaction<Db>;
  /** Rows that are inserted together with the events, in the same statement. */
  readonly rows?: NewRows<Db>;
  /** What else changes together with the events. */
  readonly also?: (trx: Transaction<Db>, events: readonly StoredEvent[]) => Promise<unknown>;
}

/** Where to read on. */
export interface FeedOptions<Db> {
  readonly after?: number;
  readonly limit?: number;
  /** Read what this transaction sees. */
  readonly trx?: Transaction<Db>;
}

/** Opens the store: waits for Postgres, migrates, and fails when either takes too long. */
export async function openEventStore<Db = unknown>(options: EventStoreOptions): Promise<EventStore<Db>> {
  const end = performance.now() + (options.patienceMs ?? 30_000);
  for (;;) {
    try {
      await migrate(options, options.migrations);
      return new EventStore<Db>(options);
    } catch (error) {
      if (!StoreUnavailable.is(error) || performance.now() > end) throw error;
      options.telemetry?.log.warn('Postgres is not there yet', { error: messageOf(error.cause) });
      await delay(200 + Math.random() * 300);
    }
  }
}

/** The events of one service and the rows that change with them. */
export class EventStore<Db = unknown> implements AsyncDisposable {
  readonly db: Kysely<Db>;
  readonly context: EventContext;
  /** How the relay reaches the same schema on a connection of its own. */
  readonly postgres: PostgresOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();

  constructor(options: EventStoreOptions) {
    const log = options.telemetry?.log;
    const pool = openPool(options, (error) =>
      log?.warn('an idle Postgres connection was lost', { error: error.message }),
    );
    this.db = new Kysely<Db>({ dialect: new PostgresDialect({ pool }) });
    this.context = options.context;
    this.postgres = { url: options.url, schema: options.schema };
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Records events, all or none, of any number of streams in one round trip. Somebody else's event at one of these versions
   * is `event_store.conflict`, unless every event is recorded already: then this is a retry and the answer is what happened.
   */
  async append(items: readonly AppendItem[], options: AppendOptions<Db> = {}): Promise<Appended> {
    if (items.length === 0) return { events: [], duplicate: false };
    const events = storedEvents(items, this.#clock());
    const { trx, also, rows } = options;
    if (trx) return this.#insert(trx, events, options);
    try {
      if (also) return await this.transaction((own) => this.#insert(own, events, options));
      await insertEvents(this.db, events, rows);
      this.#notify();
      return { events, duplicate: false };
    } catch (error) {
      if (!Conflict.is(error)) throw error;
      const recorded = await this.#recorded(items);
      if (!recorded) throw error;
      return { events: recorded, duplicate: true };
    }
  }

  /** Runs `work` in a transaction and wakes the relay when it is committed. */
  async transaction<T>(work: (trx: Transaction<Db>) => Promise<T>): Promise<T> {
    const result = await this.db.transaction().execute(work);
    this.#notify();
    return result;
  }

  /** The events of a stream after a version, in order; none when there is no such stream. */
  load(stream: string, { after = 0 }: { readonly after?: number } = {}): Promise<StoredEvent[]> {
    return loadStream(this.db, stream, after);
  }

  /** Everything recorded, by allocation number, for rebuilds and exports; never to follow what is still being written. */
  feed({ after = 0, limit = 1000, trx }: FeedOptions<Db> = {}): Promise<PositionedEvent[]> {
    return readFeed(trx ?? this.db, after, limit);
  }

  /** Those of these events that are recorded, by allocation number. */
  find(ids: readonly string[]): Promise<StoredEvent[]> {
    return findEvents(this.db, ids);
  }

  /** Calls back after each commit that may have recorded something. Returns how to stop. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
  }

  async #insert(
    trx: Transaction<Db>,
    events: StoredEvent[],
    { also, rows }: AppendOptions<Db>,
  ): Promise<Appended> {
    await insertEvents(trx, events, rows);
    await also?.(trx, events);
    return { events, duplicate: false };
  }

  async #recorded(items: readonly AppendItem[]): Promise<StoredEvent[] | undefined> {
    const found = await this.find(items.map((item) => item.id));
    const byId = new Map(found.map((event) => [event.id, event]));
    const isSame = items.every((item) => byId.get(item.id)?.stream === item.stream);
    return isSame ? items.map((item) => byId.get(item.id)!) : undefined;
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
