import { compileSelector } from '@postern/access';
import type { Selector, ViewEntry } from '@postern/contracts';
import { type ResourceRef, revisionOf, streamOf } from '../resources/resource-name.ts';
import type { ResourceRow } from '../resources/resource-table.ts';
import { SelectorIndex } from './selector-index.ts';

/** What the matcher knows of the world. */
export interface MatcherPorts {
  /** The rows of these resources as they are now; those that are gone are left out. */
  loadResources(refs: readonly ResourceRef[]): Promise<ResourceRow[]>;
  /** The version with which a resource was deleted last, if it is gone. */
  goneVersion(ref: ResourceRef): Promise<number | undefined>;
  /** Every entry the view holds on the bus; removed ones do not count. */
  readView(hash: string): AsyncIterable<ViewEntry>;
  /** Whether an entry that the view holds at the right revision is also in the right form. */
  isCurrent(hash: string, entry: ViewEntry): boolean;
  /** Stores entries; one without a resource is a removal. */
  putEntries(puts: readonly ViewPut[]): Promise<void>;
}

/** An entry for a view. */
export interface ViewPut {
  readonly hash: string;
  readonly entry: ViewEntry;
}

/** Where a resource stands at the start. */
export interface SeedRow extends ResourceRef {
  readonly version: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Known extends ResourceRef {
  readonly rev: number;
  /** Absent when the resource is gone. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly views: Set<string>;
}

/** A resource at a version: what it is, or that it is gone. */
export interface ResourceChange extends ResourceRef {
  readonly version: number;
  readonly doc?: ResourceRow['doc'];
}

const batchSize = 500;

/**
 * Keeps the views on the bus equal to what their selectors select.
 *
 * It remembers labels and versions, not documents. Every change carries the version of its resource and older ones are
 * ignored, so that it does not matter how often, or by which of two ways, a change gets here. One call at a time: the caller
 * waits for one before it makes the next.
 */
export class ViewMatcher {
  readonly #ports: MatcherPorts;
  readonly #index = new SelectorIndex();
  readonly #known = new Map<string, Known>();
  /** What each view selects, by stream. */
  readonly #members = new Map<string, Map<string, Known>>();

  constructor(ports: MatcherPorts) {
    this.#ports = ports;
  }

  get hashes(): ReadonlySet<string> {
    return this.#index.hashes;
  }

  /** Takes in what is there at the start, without telling anyone: `reconcile` does that. What is gone has no labels. */
  seed(rows: Iterable<SeedRow>): void {
    for (const { kind, id, version, labels } of rows) {
      const views = labels ? this.#index.matching(kind, labels) : new Set<string>();
      this.#remember({ kind, id, rev: version, labels, views });
    }
  }

  /** Starts to keep a view. Adding comes before scanning, so that no change falls between the two. */
  open(hash: string, selector: Selector): void {
    if (this.#index.has(hash)) return;
    this.#index.add(hash, selector);
    const members = new Map<string, Known>();
    const matches = compileSelector(selector);
    for (const [key, known] of this.#known) {
      if (!known.labels || !selector.kinds.includes(known.kind) || !matches(known.labels)) continue;
      known.views.add(hash);
      members.set(key, known);
    }
    this.#members.set(hash, members);
  }

  /** Gives a view up. */
  close(hash: string): void {
    this.#index.remove(hash);
    for (const known of this.#members.get(hash)?.values() ?? []) known.views.delete(hash);
    this.#members.delete(hash);
  }

  /**
   * Carries changes into every view they touch, with an explicit removal where a resource no longer is in one. Of several
   * changes of one resource a view is told the last. Answers how many entries of the busiest view changed.
   */
  async apply(changes: readonly ResourceChange[]): Promise<number> {
    const next = new Map<string, Known>();
    const puts = new Map<string, Map<string, ViewEntry>>();
    for (const change of changes) this.#advance(change, next, puts);
    const all = [...puts].flatMap(([hash, entries]) =>
      [...entries.values()].map((entry) => ({ hash, entry })),
    );
    if (all.length > 0) await this.#ports.putEntries(all);
    // Only now, so that changes that could not be told everyone are told again when they are tried again.
    for (const known of next.values()) this.#remember(known);
    return Math.max(0, ...[...puts.values()].map(({ size }) => size));
  }

  #advance(
    change: ResourceChange,
    next: Map<string, Known>,
    puts: Map<string, Map<string, ViewEntry>>,
  ): void {
    const { kind, id, version, doc } = change;
    const key = streamOf(change);
    const before = next.get(key) ?? this.#known.get(key);
    if (before && version <= before.rev) return;
    const labels = doc && (doc.metadata.labels ?? {});
    const views = labels ? this.#index.matching(kind, labels) : new Set<string>();
    for (const hash of new Set([...views, ...(before?.views ?? [])])) {
      const entries = puts.get(hash) ?? new Map<string, ViewEntry>();
      puts.set(hash, entries.set(key, views.has(hash) ? entryOf(change) : removalOf(change, version)));
    }
    next.set(key, { kind, id, rev: version, labels, views });
  }

  /** Makes what a view holds on the bus equal to what it should hold; right whatever the bus lost or kept too long. */
  async reconcile(hash: string): Promise<void> {
    const wanted = new Map(this.#members.get(hash));
    for await (const entry of this.#ports.readView(hash)) {
      const key = streamOf(entry);
      const known = wanted.get(key);
      if (!known) await this.#removeStale(hash, entry);
      else if (entry.rev > known.rev || (entry.rev === known.rev && this.#ports.isCurrent(hash, entry)))
        wanted.delete(key);
    }
    const missing = [...wanted.values()];
    for (let at = 0; at < missing.length; at += batchSize)
      await this.#fill(hash, missing.slice(at, at + batchSize));
  }

  #remember(known: Known): void {
    const key = streamOf(known);
    for (const hash of this.#known.get(key)?.views ?? []) this.#members.get(hash)?.delete(key);
    this.#known.set(key, known);
    for (const hash of known.views) {
      const members = this.#members.get(hash) ?? new Map<string, Known>();
      this.#members.set(hash, members.set(key, known));
    }
  }

  async #removeStale(hash: string, entry: ViewEntry): Promise<void> {
    const known = this.#known.get(streamOf(entry));
    const rev = known?.rev ?? (await this.#ports.goneVersion(entry)) ?? entry.rev + 1;
    await this.#ports.putEntries([{ hash, entry: removalOf(entry, Math.max(rev, entry.rev)) }]);
  }

  async #fill(hash: string, missing: readonly Known[]): Promise<void> {
    const rows = await this.#ports.loadResources(missing);
    // A row that is newer than what is known here is a change that has not arrived yet: it concerns every view.
    const isNewer = (row: ResourceRow) => row.version > (this.#known.get(streamOf(row))?.rev ?? 0);
    const current = rows.filter((row) => !isNewer(row));
    await this.#ports.putEntries(current.map((row) => ({ hash, entry: entryOf(row) })));
    await this.apply(rows.filter(isNewer));
  }
}

function entryOf({ kind, id, version, doc }: ResourceChange): ViewEntry {
  const entry = { kind, id, rev: version, revision: revisionOf({ kind, id }, version) };
  return doc ? { ...entry, resource: doc } : entry;
}

function removalOf({ kind, id }: ResourceRef, rev: number): ViewEntry {
  return { kind, id, rev, revision: revisionOf({ kind, id }, rev) };
}
