import type { ViewEntry, ViewPlace } from '@postern/contracts';
import { failure } from '@postern/core';
import type { Bus } from './bus.ts';
import { WrongSequence } from './failures.ts';
import {
  claimViews,
  readClaim,
  readStoredPage,
  storeViewEntry,
  type StoredPage,
  type StoredViewEntry,
} from './view-store.ts';

/** Somebody else keeps the views now. */
export const ViewsTaken = failure(
  'unavailable',
  'bus.views_taken',
  () => 'another process keeps the views now',
);

/** Where views are stored: the VIEW stream, or something that behaves like it. */
export interface ViewStorage {
  /** Makes the caller the only one whose entries are taken, and answers the number of its claim. */
  claim(): Promise<number>;
  /** The number of the latest claim. */
  claimed(): Promise<number>;
  /** Stores an entry if the claim is the latest. */
  store(place: ViewPlace, entry: ViewEntry, claim: number): Promise<void>;
  page(place: ViewPlace, after: number): Promise<StoredPage>;
}

/** The VIEW stream. */
export function viewStorage(bus: Bus): ViewStorage {
  return {
    claim: () => claimViews(bus),
    claimed: () => readClaim(bus),
    store: (place, entry, claim) => storeViewEntry(bus, place, entry, claim),
    page: (place, after) => readStoredPage(bus, place, after),
  };
}

/** How many entries and how many tombstones a view has in its generation. */
export interface ViewSize {
  readonly present: number;
  readonly gone: number;
}

interface Writing {
  readonly place: ViewPlace;
  /** Whether each entry is a tombstone. */
  readonly entries: Map<string, boolean>;
  gone: number;
}

const copiesAtOnce = 200;

/**
 * Writes the entries of views. Whoever begins claims them all; the server refuses what an earlier writer, frozen while another
 * took its place, stores after that.
 */
export class ViewWriter {
  readonly #storage: ViewStorage;
  readonly #views = new Map<string, Writing>();
  #claim = 0;

  constructor(storage: ViewStorage) {
    this.#storage = storage;
  }

  /** Begins. What is read from now on nobody else changes. */
  async claim(): Promise<void> {
    this.#claim = await this.#storage.claim();
  }

  /** Refuses (`ViewsTaken`) when another writer began since. */
  async check(): Promise<void> {
    if ((await this.#storage.claimed()) !== this.#claim) throw ViewsTaken();
  }

  /** Writes a view in this generation from now on; nothing is known to be there until it was read. */
  use(place: ViewPlace): void {
    if (this.placeOf(place.hash)?.generation === place.generation) return;
    this.#views.set(place.hash, { place, entries: new Map(), gone: 0 });
  }

  forget(hash: string): void {
    this.#views.delete(hash);
  }

  placeOf(hash: string): ViewPlace | undefined {
    return this.#views.get(hash)?.place;
  }

  sizeOf(hash: string): ViewSize {
    const { entries, gone } = this.#views.get(hash) ?? { entries: new Map(), gone: 0 };
    return { present: entries.size - gone, gone };
  }

  /** Every entry that the view holds on the bus, without the removed ones. */
  async *read(hash: string): AsyncIterable<StoredViewEntry> {
    const writing = this.#views.get(hash);
    if (!writing) return;
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: StoredPage = await this.#storage.page(writing.place, after);
      for (const entry of page.entries) {
        note(writing, entry);
        if (entry.resource) yield entry;
      }
      after = page.next;
    }
  }

  /** Stores an entry, or its removal when it has no resource. */
  async put(hash: string, entry: ViewEntry): Promise<void> {
    const writing = this.#views.get(hash);
    if (writing) await this.#put(writing, entry);
  }

  /** Writes everything that is in a view under another generation too. The answer makes that the one that is used. */
  async rewrite(hash: string, generation: number): Promise<() => void> {
    const writing: Writing = { place: { hash, generation }, entries: new Map(), gone: 0 };
    let copies: Promise<void>[] = [];
    for await (const { kind, id, rev, revision, resource, sealed } of this.read(hash)) {
      const entry = { kind, id, rev, revision, ...(resource ? { resource } : {}) };
      copies.push(this.#put(writing, sealed === undefined ? entry : { ...entry, sealed }));
      if (copies.length < copiesAtOnce) continue;
      await Promise.all(copies);
      copies = [];
    }
    await Promise.all(copies);
    return () => void this.#views.set(hash, writing);
  }

  async #put(writing: Writing, entry: ViewEntry): Promise<void> {
    try {
      await this.#storage.store(writing.place, entry, this.#claim);
    } catch (error) {
      throw WrongSequence.is(error) ? ViewsTaken.from(error) : error;
    }
    note(writing, entry);
  }
}

function note(writing: Writing, { kind, id, resource }: ViewEntry): void {
  const key = `${kind}/${id}`;
  const isGone = resource === undefined;
  writing.gone += Number(isGone) - Number(writing.entries.get(key) ?? false);
  writing.entries.set(key, isGone);
}
