import type { SnapshotPage, ViewEntry } from '@postern/contracts';
import { type ViewChange, ViewEntries } from './view-entries.ts';

/** A change that came live: where it lies in the stream, and where the one before it on the same subject did. */
export interface LiveMessage {
  readonly subject: string;
  readonly generation: number;
  readonly sequence: number;
  readonly previous: number;
  readonly entry: ViewEntry;
}

/** What live messages and snapshots come to, in whatever order they get here. */
export class ViewReading {
  readonly entries = new ViewEntries();
  /** Sequence number of the last live message by subject. */
  readonly #sequences = new Map<string, { readonly generation: number; readonly sequence: number }>();
  #generation = 0;
  #isStale = false;

  /** Whether something was missed, so that everything has to be read again. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** After a reconnection nothing is late any more, and anything may be missing. */
  reconnected(): void {
    this.#sequences.clear();
    this.#isStale = true;
  }

  /** Takes a live message. What comes late, twice, or of a generation that was given up changes nothing. */
  live({ subject, generation, sequence, previous, entry }: LiveMessage): ViewChange | undefined {
    if (generation < this.#generation) return undefined;
    const known = this.#sequences.get(subject)?.sequence;
    if (known !== undefined && sequence <= known) {
      // A server that lost its last messages counts from an earlier number again: a snapshot tells which it was.
      this.#isStale = true;
      return undefined;
    }
    if (known !== undefined && previous !== known) this.#isStale = true;
    this.#sequences.set(subject, { generation, sequence });
    return this.entries.live(entry);
  }

  /** The latest generation that a page was read in. */
  get generation(): number {
    return this.#generation;
  }

  begin(): void {
    this.#isStale = false;
    this.entries.begin();
  }

  page({ entries, generation = 0 }: Pick<SnapshotPage, 'entries' | 'generation'>): ViewChange[] {
    if (generation > this.#generation) this.#switchTo(generation);
    return this.entries.page(entries);
  }

  end(): ViewChange[] {
    return this.entries.end();
  }

  #switchTo(generation: number): void {
    this.#generation = generation;
    for (const [subject, last] of this.#sequences)
      if (last.generation < generation) this.#sequences.delete(subject);
  }
}
