import { type StoredPage, type StoredViewEntry, type ViewStorage, WrongSequence } from '@postern/bus';
import { type ViewEntry, type ViewPlace, viewSubject } from '@postern/contracts';

/** A stored message as the server republishes it. */
export interface Republished {
  readonly subject: string;
  readonly generation: number;
  readonly hash: string;
  readonly sequence: number;
  readonly previous: number;
  readonly entry: ViewEntry;
}

/** What the VIEW stream does, in memory: the last value of each subject, a condition on it, and a copy for readers. */
export class MemoryStream implements ViewStorage {
  /** Called between any two operations: whatever may happen at any moment happens here. */
  meanwhile: () => Promise<void> = async () => {};
  republish: (message: Republished) => void = () => {};
  #last = 0;
  #claim = 0;
  #messages = new Map<string, StoredViewEntry>();

  claim: ViewStorage['claim'] = async () => {
    this.#last += 1;
    this.#claim = this.#last;
    return this.#claim;
  };

  claimed: ViewStorage['claimed'] = async () => this.#claim;

  store: ViewStorage['store'] = async (place, entry, claim) => {
    await this.meanwhile();
    const subject = viewSubject(place, entry.kind, entry.id);
    if (claim !== this.#claim) throw WrongSequence(subject);
    const previous = this.#messages.get(subject)?.sequence ?? 0;
    this.#last += 1;
    const stored = { ...structuredClone(entry), ...place, sequence: this.#last };
    this.#messages.delete(subject);
    this.#messages.set(subject, stored);
    this.republish({ subject, ...place, sequence: this.#last, previous, entry: stored });
  };

  page: ViewStorage['page'] = async (place, after) => {
    await this.meanwhile();
    return this.stretch(place, after, 2);
  };

  stretch(place: ViewPlace, after: number, limit: number): StoredPage {
    const all = [...this.#messages.values()].filter(
      ({ hash, generation, sequence }) =>
        hash === place.hash && generation === place.generation && sequence > after,
    );
    const entries = all.slice(0, limit);
    return { entries, next: all.length > limit ? entries.at(-1)!.sequence : undefined };
  }

  purge({ hash, generation }: ViewPlace): void {
    for (const [subject, message] of this.#messages)
      if (message.hash === hash && message.generation === generation) this.#messages.delete(subject);
  }

  /** A crash of the server takes the last messages; it counts from there again. What they replaced is gone too. */
  loseTail(count: number): void {
    this.#last = Math.max(0, this.#last - count);
    if (this.#claim > this.#last) this.#claim = 0;
    for (const [subject, { sequence }] of this.#messages)
      if (sequence > this.#last) this.#messages.delete(subject);
  }
}
