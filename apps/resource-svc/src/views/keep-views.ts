import {
  type StoredEvent,
  ViewClosed,
  ViewOpened,
  ViewRekeyed,
  ResourceDeleted,
  ResourceUpserted,
} from '@postern/contracts';
import {
  type Bus,
  consumers,
  type DurableMessage,
  eventStreamTarget,
  type Parking,
  viewStorage,
  ViewsTaken,
  ViewWriter,
} from '@postern/bus';
import { type Clock, delay } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import type { Sealer } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import type { ResourceDb } from '../database.ts';
import { compactViews } from './compact-views.ts';
import { EntrySealing } from './entry-sealing.ts';
import { FeedPlace } from './feed-place.ts';
import { matcherPorts, seedRows } from './matcher-ports.ts';
import { garbageAfterMs, purgeGarbage, repeatPurges } from './view-garbage.ts';
import { dropOlderKeys, findViewKeys } from './view-keys.ts';
import { type ResourceChange, ViewMatcher } from './view-matcher.ts';
import { findView, listViews, markAllUnfilled, markFilled, type ViewRow } from './view-table.ts';

/** What the matcher runs on. */
export interface KeepViewsDeps {
  readonly store: EventStore<ResourceDb>;
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly parking: Parking;
  /** How long a generation of a view stays on the bus after it was given up. */
  readonly garbageAfterMs?: number;
}

const tidyMs = 1_000;
const maxBatch = 1_000;
// Readers of a big view are told at most so often when much of it changes at once; a single change is told at once.
const crowdedMs = 100;
const crowd = 50;

/**
 * Keeps every open view until the signal: first compares them all with what the database holds, then follows the events.
 *
 * The events only say that something changed and to what. What was missed while nobody was here is found by comparing, so
 * that neither the place in the feed nor an event that comes late or twice decides whether a view is right.
 */
export async function keepViews(deps: KeepViewsDeps, signal: AbortSignal): Promise<void> {
  const { bus, telemetry } = deps;
  const keeper = new Keeper(deps);
  const serially = makeSerial();
  const over = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => over.resolve(), { once: true });
  // Asked for many times at once, as by many parked messages, it is done once.
  let isComparing = false;
  const compareAgain = () => {
    if (isComparing) return;
    isComparing = true;
    void serially(() => {
      isComparing = false;
      return keeper.compareAll();
    }).catch(over.reject);
  };
  await keeper.begin();
  telemetry.log.info('the views are kept', { views: keeper.size });
  const stopWatching = bus.onReconnect(compareAgain);
  await using _consumption = bus.consumeBatches({
    ...consumers.resourceViews,
    parking: deps.parking,
    maxBatch,
    handler: async (messages) => {
      const isGap = await serially(() => keeper.follow(messages)).catch((error: unknown) => {
        if (ViewsTaken.is(error)) over.reject(error);
        throw error;
      });
      if (isGap) compareAgain();
    },
    // What the message would have changed is found by comparing.
    onParked: compareAgain,
  });
  const ended = new AbortController();
  const tidying = tidyUp(() => serially(() => keeper.tidy()), AbortSignal.any([signal, ended.signal]));
  tidying.catch(over.reject);
  await over.promise.finally(() => {
    stopWatching();
    ended.abort();
  });
}

async function tidyUp(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await work();
    await delay(tidyMs, signal).catch(() => {});
  }
}

/** The views of the database, the matcher and the bus, brought together. One call at a time. */
class Keeper {
  readonly #deps: KeepViewsDeps;
  readonly #writer: ViewWriter;
  readonly #sealing: EntrySealing;
  readonly #matcher: ViewMatcher;
  readonly #place = new FeedPlace();

  constructor(deps: KeepViewsDeps) {
    const { bus, sealer, store, telemetry } = deps;
    this.#deps = deps;
    this.#writer = new ViewWriter(viewStorage(bus));
    this.#sealing = new EntrySealing({ db: store.db, sealer });
    const world = { db: store.db, writer: this.#writer, sealing: this.#sealing, telemetry };
    this.#matcher = new ViewMatcher(matcherPorts(world));
  }

  get size(): number {
    return this.#matcher.hashes.size;
  }

  /** From here on whoever kept the views before changes nothing on the bus. */
  async begin(): Promise<void> {
    await this.#writer.claim();
    await this.compareAll();
  }

  /** Makes every view whole again. Until one is, nobody is told what it holds. */
  async compareAll(): Promise<void> {
    const { store, bus, clock } = this.#deps;
    // Before anything is read: what comes into the feed after this is delivered to us, or missed.
    this.#place.startAt(await eventStreamTarget(bus, 'resource').state());
    await markAllUnfilled(store.db);
    await repeatPurges(store.db, clock());
    const views = await listViews(store.db);
    const open = new Set(views.map(({ hash }) => hash));
    for (const hash of [...this.#matcher.hashes].filter((known) => !open.has(known))) this.#close(hash);
    for (const { hash, selector } of views) this.#matcher.open(hash, selector);
    this.#matcher.seed(await seedRows(store.db, clock()));
    for (const view of views) await this.#fill(view);
  }

  /** Carries out what the messages tell. Answers whether others before them went elsewhere. */
  async follow(messages: readonly DurableMessage[]): Promise<boolean> {
    const events = messages.map((message) => message.event());
    await this.#take(events);
    return this.#place.isGapBefore(messages);
  }

  async #take(events: readonly StoredEvent[]): Promise<void> {
    const began = performance.now();
    let changes: ResourceChange[] = [];
    let busiest = 0;
    const flush = async () => {
      busiest = Math.max(busiest, await this.#matcher.apply(changes));
      changes = [];
    };
    for (const event of events) {
      const change = changeOf(event);
      if (change) {
        changes.push(change);
        continue;
      }
      await flush();
      await this.#settle(event);
    }
    await flush();
    // Whoever was frozen and has been replaced must not say that these are done: the other one has to hear of them.
    await this.#writer.check();
    if (busiest >= crowd) await delay(Math.max(0, crowdedMs - (performance.now() - began)));
  }

  /** Writes anew what is mostly tombstones, and takes from the bus what nobody reads any more. */
  async tidy(): Promise<void> {
    const { store, bus, clock, telemetry } = this.#deps;
    if (!bus.isConnected) return;
    await this.#writer.check();
    const compaction = {
      db: store.db,
      writer: this.#writer,
      clock,
      garbageAfterMs: this.#deps.garbageAfterMs ?? garbageAfterMs,
    };
    const compacted = await compactViews(compaction, this.#matcher.hashes);
    if (compacted.length > 0) telemetry.log.info('views were written anew', { views: compacted });
    await purgeGarbage({ db: store.db, bus }, clock());
  }

  /** Opens, closes or seals a view anew as its rows say now: the event may be an old one that was delivered again. */
  async #settle(event: StoredEvent): Promise<void> {
    const rekeyed = event.type === ViewRekeyed.type;
    const hash = hashOf(event);
    if (hash === undefined) return;
    const view = await findView(this.#deps.store.db, hash);
    if (!view) return this.#close(hash);
    if (!rekeyed && view.isFilled && this.#matcher.hashes.has(hash)) return;
    this.#matcher.open(hash, view.selector);
    await this.#fill(view);
  }

  #close(hash: string): void {
    this.#matcher.close(hash);
    this.#writer.forget(hash);
  }

  async #fill(view: ViewRow): Promise<void> {
    const { store, sealer, clock } = this.#deps;
    const { hash, generation } = view;
    this.#writer.use({ hash, generation });
    const keys = view.selector.secrets ? await findViewKeys({ db: store.db, sealer }, hash) : new Map();
    const epoch = this.#sealing.use(hash, keys);
    await this.#matcher.reconcile(hash);
    if (epoch !== undefined) await dropOlderKeys(store.db, hash, epoch);
    await markFilled(store.db, hash, clock());
  }
}

function changeOf(event: StoredEvent): ResourceChange | undefined {
  const { version } = event;
  if (event.type === ResourceUpserted.type) {
    const { kind, id, resource } = ResourceUpserted.read(event);
    return { kind, id, version, doc: resource };
  }
  if (event.type !== ResourceDeleted.type) return undefined;
  const { kind, id } = ResourceDeleted.read(event);
  return { kind, id, version };
}

function hashOf(event: StoredEvent): string | undefined {
  switch (event.type) {
    case ViewOpened.type:
      return ViewOpened.read(event).hash;
    case ViewClosed.type:
      return ViewClosed.read(event).hash;
    case ViewRekeyed.type:
      return ViewRekeyed.read(event).hash;
    default:
      return undefined;
  }
}

/** Runs one piece of work after the other, in the order of asking. */
function makeSerial(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };
}
