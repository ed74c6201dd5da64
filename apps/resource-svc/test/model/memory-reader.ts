import { ViewReading } from '@postern/bus';
import { expect } from 'vitest';
import type { MemoryStream, Republished } from './memory-stream.ts';

/** Where a reader reads: the generation of its view, or nothing while the view is not whole. */
export type PlaceOf = () => number | undefined;

const pageSize = 2;

/** A reader as libs/bus is one, whose every step is taken by the schedule. */
export class MemoryReader {
  readonly hash: string;
  readonly reading = new ViewReading();
  readonly #stream: MemoryStream;
  readonly #placeOf: PlaceOf;
  #queue: Republished[] = [];
  #seen: Republished[] = [];
  #after: number | undefined;
  #isReading = false;
  /** The revision with which an entry was removed before the eyes of this reader. */
  readonly #removed = new Map<string, number>();

  constructor(stream: MemoryStream, hash: string, placeOf: PlaceOf) {
    this.#stream = stream;
    this.hash = hash;
    this.#placeOf = placeOf;
  }

  hear(message: Republished): void {
    if (message.hash === this.hash) this.#queue.push(message);
  }

  deliver(count = 1): void {
    for (const message of this.#queue.splice(0, count)) this.#take(message);
  }

  lose(): void {
    this.#queue.shift();
  }

  /** Something that came before comes again, late. */
  repeat(index: number): void {
    const message = this.#seen[index % Math.max(1, this.#seen.length)];
    if (message) this.#take(message);
  }

  reconnect(): void {
    this.#queue = [];
    this.#seen = [];
    this.#isReading = false;
    this.reading.reconnected();
  }

  /** Begins a snapshot, or reads its next page. */
  step(): void {
    const generation = this.#placeOf();
    if (generation === undefined) {
      this.#isReading = false;
      return;
    }
    if (!this.#isReading) this.#begin();
    const { entries, next } = this.#stream.stretch(
      { hash: this.hash, generation },
      this.#after ?? 0,
      pageSize,
    );
    this.reading.page({ entries: entries.filter(({ resource }) => resource), generation });
    this.#after = next;
    this.#check();
    if (next !== undefined) return;
    this.reading.end();
    this.#isReading = false;
    this.#check();
  }

  /** What happens when nothing else does: everything comes, and everything is read once more. */
  settle(): void {
    this.deliver(Infinity);
    this.#isReading = false;
    do this.step();
    while (this.#isReading);
  }

  shown(): string[] {
    return this.reading.entries
      .entries('kube_cluster')
      .map(({ id, rev }) => `${id}@${rev}`)
      .toSorted();
  }

  #begin(): void {
    this.#isReading = true;
    this.#after = undefined;
    this.reading.begin();
  }

  #take(message: Republished): void {
    this.#seen.push(message);
    const change = this.reading.live(message);
    if (change && !change.entry.resource) this.#removed.set(change.entry.id, change.entry.rev);
    this.#check();
  }

  #check(): void {
    for (const { id, rev } of this.reading.entries.entries('kube_cluster'))
      expect(rev, `${id} is shown although it was seen to be removed`).toBeGreaterThanOrEqual(
        this.#removed.get(id) ?? 0,
      );
  }
}
