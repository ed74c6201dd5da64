import type { Progress } from '@postern/projections';

const betweenLinesMs = 5000;

/** Tells people how far a rebuild is: now and then, and when a projection has seen all its events. */
export class ProgressLines {
  readonly #print: (line: string) => void;
  readonly #now: () => number;
  #projection = '';
  #startedAt = 0;
  #printedAt = 0;
  #events = 0;

  constructor(print: (line: string) => void, now: () => number = () => performance.now()) {
    this.#print = print;
    this.#now = now;
  }

  add({ projection, events, position, until }: Progress): void {
    if (projection !== this.#projection) this.#begin(projection);
    this.#events += events;
    const isThere = position >= until;
    if (!isThere && this.#now() - this.#printedAt < betweenLinesMs) return;
    this.#printedAt = this.#now();
    const share = isThere ? 100 : Math.floor((position / until) * 100);
    this.#print(`${projection}: ${count(this.#events)} events, ${share} %, ${this.#rate()}`);
  }

  #begin(projection: string): void {
    this.#projection = projection;
    this.#startedAt = this.#printedAt = this.#now();
    this.#events = 0;
  }

  #rate(): string {
    const seconds = (this.#now() - this.#startedAt) / 1000;
    return seconds < 1 ? 'under a second' : `${count(Math.round(this.#events / seconds))} events/s`;
  }
}

function count(number: number): string {
  return number.toLocaleString('en');
}
