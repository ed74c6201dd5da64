import { Samples } from './samples.ts';

/** A state of something by which everyone who was told can be recognised. */
export interface Revision {
  readonly id: string;
  readonly rev: number;
}

interface Expected {
  readonly began: number;
  committed: number | undefined;
  left: number;
}

/** How long each change took to reach each of its readers. */
export class Deliveries {
  #fromStart = new Samples();
  #fromCommit = new Samples();
  readonly #expected = new Map<string, Expected>();

  get fromStart(): Samples {
    return this.#fromStart;
  }

  get fromCommit(): Samples {
    return this.#fromCommit;
  }

  /** Deliveries that have not come yet. */
  get missing(): number {
    return [...this.#expected.values()].reduce((sum, { left }) => sum + left, 0);
  }

  /** Makes a change that a number of readers must be told of. */
  async expect(revision: Revision, readers: number, change: () => Promise<unknown>): Promise<void> {
    const expected: Expected = { began: performance.now(), committed: undefined, left: readers };
    this.#expected.set(keyOf(revision), expected);
    await change();
    expected.committed = performance.now();
  }

  /** A reader was told; of what nobody expected nothing is noted. */
  arrived(revision: Revision): void {
    const expected = this.#expected.get(keyOf(revision));
    if (!expected) return;
    const now = performance.now();
    expected.left -= 1;
    this.#fromStart.add(now - expected.began);
    // What arrives before the answer of Postgres is read took no time from there.
    this.#fromCommit.add(now - (expected.committed ?? now));
  }

  /** Begins anew. */
  forget(): void {
    this.#expected.clear();
    this.#fromStart = new Samples();
    this.#fromCommit = new Samples();
  }
}

function keyOf({ id, rev }: Revision): string {
  return `${id}@${rev}`;
}
