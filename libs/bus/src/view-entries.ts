import { digestText, digestWith, type ViewEntry } from '@postern/contracts';

/** An entry that appeared, changed or went, and what was there before. A gone entry has no `resource`. */
export interface ViewChange {
  readonly entry: ViewEntry;
  readonly previous: ViewEntry | undefined;
}

interface Held {
  readonly entry: ViewEntry;
  /** The snapshot in which the entry was last seen. */
  readonly seenIn: number;
  /** The snapshot during which it last came live: what that snapshot says of it may be older. */
  readonly liveIn: number;
}

/**
 * What a reader knows of a view: live changes and snapshots brought together. Lower revisions never replace higher ones; an
 * entry that a complete snapshot does not hold, and that did not come live meanwhile, is gone.
 */
export class ViewEntries {
  readonly #kinds = new Map<string, Map<string, Held>>();
  #snapshot = 0;
  #digest = 0n;
  #digestText: string | undefined;

  /** The entry, if it is in the view. */
  get(kind: string, id: string): ViewEntry | undefined {
    const entry = this.#kinds.get(kind)?.get(id)?.entry;
    return entry && isPresent(entry) ? entry : undefined;
  }

  /** The entries of a kind. */
  entries(kind: string): ViewEntry[] {
    return [...(this.#kinds.get(kind)?.values() ?? [])].map((held) => held.entry).filter(isPresent);
  }

  /** Two readers that hold the same entries at the same revisions have the same digest. */
  get digest(): string {
    this.#digestText ??= digestText(this.#digest);
    return this.#digestText;
  }

  /** Takes an entry that came live. */
  live(entry: ViewEntry): ViewChange | undefined {
    const held = this.#held(entry);
    if (held && entry.rev < held.entry.rev) return undefined;
    return this.#put(entry, { seenIn: this.#snapshot, liveIn: this.#snapshot });
  }

  /** Begins a snapshot; an unfinished one is forgotten. */
  begin(): void {
    this.#snapshot += 1;
  }

  /** Takes a page of the snapshot. */
  page(entries: readonly ViewEntry[]): ViewChange[] {
    return entries.flatMap((entry) => this.#fromSnapshot(entry) ?? []);
  }

  /** Ends a snapshot whose every page was taken: what was not in it is gone. */
  end(): ViewChange[] {
    const changes: ViewChange[] = [];
    for (const held of this.#kinds.values()) {
      for (const [id, { entry, seenIn }] of held) {
        if (seenIn === this.#snapshot) continue;
        held.delete(id);
        if (!isPresent(entry)) continue;
        this.#fold(entry);
        const { kind, rev } = entry;
        changes.push({ entry: { kind, id, rev, revision: '' }, previous: entry });
      }
    }
    return changes;
  }

  /** Takes an entry into the digest, or out of it. */
  #fold(entry: ViewEntry): void {
    this.#digest = digestWith(this.#digest, entry);
    this.#digestText = undefined;
  }

  #fromSnapshot(entry: ViewEntry): ViewChange | undefined {
    const held = this.#held(entry);
    const isLive = held?.liveIn === this.#snapshot;
    const isOlder = held && (isLive ? entry.rev <= held.entry.rev : entry.rev < held.entry.rev);
    const marks = { seenIn: this.#snapshot, liveIn: held?.liveIn ?? 0 };
    return this.#put(isOlder ? held.entry : entry, marks);
  }

  #put(entry: ViewEntry, marks: Pick<Held, 'seenIn' | 'liveIn'>): ViewChange | undefined {
    const previous = this.get(entry.kind, entry.id);
    const held = this.#kinds.get(entry.kind) ?? new Map<string, Held>();
    this.#kinds.set(entry.kind, held.set(entry.id, { entry, ...marks }));
    const next = isPresent(entry) ? entry : undefined;
    if (previous?.rev === next?.rev && previous?.revision === next?.revision) return undefined;
    if (previous) this.#fold(previous);
    if (next) this.#fold(next);
    return { entry, previous };
  }

  #held({ kind, id }: ViewEntry): Held | undefined {
    return this.#kinds.get(kind)?.get(id);
  }
}

function isPresent(entry: ViewEntry): boolean {
  return entry.resource !== undefined;
}
