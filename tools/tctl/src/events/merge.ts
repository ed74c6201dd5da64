import type { EventView } from '@postern/client';

interface Source {
  readonly waiting: EventView[];
  /** Whether everything that it had was given here: what comes now is newer than what the others have. */
  isCurrent: boolean;
}

/**
 * Puts the events of several services into one order of time. While a service has more behind what it gave, nothing younger of the
 * others is let go; once all are current, events are let go as they come.
 */
export class TimeOrder {
  readonly #sources = new Map<string, Source>();
  readonly #emit: (event: EventView) => void;

  constructor(names: readonly string[], emit: (event: EventView) => void) {
    for (const name of names) this.#sources.set(name, { waiting: [], isCurrent: false });
    this.#emit = emit;
  }

  /** Takes what a service gave. */
  add(name: string, events: readonly EventView[], isCurrent: boolean): void {
    const source = this.#sources.get(name)!;
    source.waiting.push(...events);
    source.isCurrent = isCurrent;
    this.#release();
  }

  /** A service that cannot be reached is not waited for: what it has comes when it is back. */
  giveUpOn(name: string): void {
    this.add(name, [], true);
  }

  /** How much of a service is held back until the others have caught up. */
  heldOf(name: string): number {
    return this.#sources.get(name)!.waiting.length;
  }

  #release(): void {
    for (;;) {
      const sources = [...this.#sources.values()];
      if (sources.some(({ waiting, isCurrent }) => waiting.length === 0 && !isCurrent)) return;
      const oldest = sources
        .filter(({ waiting }) => waiting.length > 0)
        .toSorted((a, b) => timeOf(a) - timeOf(b))
        .at(0);
      if (!oldest) return;
      this.#emit(oldest.waiting.shift()!);
    }
  }
}

function timeOf({ waiting: [first] }: Source): number {
  return Date.parse(first!.at);
}
