import { type EventPage, type EventStore, readPage } from '@postern/event-store';
import { type Kysely, sql, type Transaction } from 'kysely';
import { applyInline, type Projection } from '../projection.ts';

/** How far a rebuild is. */
export interface Progress {
  readonly projection: string;
  /** Events of the page that was applied now. */
  readonly events: number;
  /** Allocation number up to which events are applied. */
  readonly position: number;
  /** Allocation number of the last event there was when it was looked for last. */
  readonly until: number;
}

/** What is replayed, and where its rows go. */
export interface Replay<Db> {
  readonly store: EventStore<Db>;
  readonly projection: Projection<Db>;
  readonly shadow: string;
  /** Ids of events that are left out. */
  readonly skipped: ReadonlySet<string>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Allocation numbers: the first is not replayed, the second is. */
export interface Range {
  readonly after: number;
  readonly until: number;
}

/** Applies a range of events to the shadow tables, a transaction for each page, the next page being read meanwhile. */
export async function replayRange<Db>(replay: Replay<Db>, range: Range): Promise<void> {
  const { store, projection, signal, onProgress } = replay;
  for await (const page of pagesAhead(replay, range)) {
    signal?.throwIfAborted();
    await store.db.transaction().execute(async (trx) => {
      // Nobody sees these rows before the swap, which is committed to disk with all that came before it.
      await sql`select set_config('synchronous_commit', 'off', true)`.execute(trx);
      await applyPage(replay, trx, page);
    });
    onProgress?.({
      projection: projection.name,
      events: page.events.length,
      position: page.last,
      until: range.until,
    });
  }
}

/** Applies everything after a position that a transaction sees, in that transaction. */
export async function replayRest<Db>(replay: Replay<Db>, trx: Transaction<Db>, after: number): Promise<void> {
  const range = { after, until: Number.MAX_SAFE_INTEGER };
  for await (const page of pages(replay, trx, range)) await applyPage(replay, trx, page);
}

async function applyPage<Db>(
  { store, projection, shadow, skipped }: Replay<Db>,
  trx: Transaction<Db>,
  { events }: EventPage,
): Promise<void> {
  // Handlers name their tables without a schema. Whatever is not a table of the projection does not exist for them here.
  await setPath(trx, shadow);
  await applyInline(
    projection,
    trx,
    skipped.size === 0 ? events : events.filter(({ id }) => !skipped.has(id)),
  );
  await setPath(trx, store.postgres.schema);
}

async function* pages<Db>(replay: Replay<Db>, db: Kysely<Db>, range: Range): AsyncGenerator<EventPage> {
  for (let { after } = range; ;) {
    const page = await readPage(db, pageRange(replay, { ...range, after }));
    if (!page) return;
    yield page;
    after = page.last;
  }
}

async function* pagesAhead<Db>(replay: Replay<Db>, range: Range): AsyncGenerator<EventPage> {
  const read = (after: number) => {
    const reading = readPage(replay.store.db, pageRange(replay, { ...range, after }));
    // Whoever stops half way does not ask how the last one went.
    reading.catch(() => {});
    return reading;
  };
  let next = read(range.after);
  for (let page = await next; page; page = await next) {
    next = read(page.last);
    yield page;
  }
}

function pageRange<Db>({ store, projection }: Replay<Db>, { after, until }: Range) {
  return { schema: store.postgres.schema, after, until, types: [...projection.handlers.keys()] };
}

async function setPath<Db>(trx: Transaction<Db>, schema: string): Promise<void> {
  await sql`select set_config('search_path', ${`"${schema}"`}, true)`.execute(trx);
}
