/** A write of which its client does not know whether it was done. */
export interface Unknown {
  readonly kind: string;
  /** `Date.now()`. */
  readonly at: number;
  /** `told`: the answer said so; `lost`: the connection ended before one came. */
  readonly how: 'told' | 'lost';
  /** What a look at the object showed; undefined until somebody looked. */
  wasDone: boolean | undefined;
}

/** What became of requests of one kind. */
export interface Tally {
  done: number;
  /** Sent again by the client, as HTTP and the answer allow. */
  retried: number;
  unknown: number;
  failed: number;
}

/** A failure for which nothing excuses the product. */
export interface Failure {
  readonly kind: string;
  /** `Date.now()`. */
  readonly at: number;
  readonly text: string;
}

const maxText = 400;

/** What clients have seen: counts by kind, every id that came with an answer, and what went wrong. */
export class Ledger {
  /** Told of each failure at once. */
  onFailure: (failure: Failure) => void = () => undefined;
  readonly tallies = new Map<string, Tally>();
  readonly unknowns: Unknown[] = [];
  readonly failures: Failure[] = [];
  /** The kind of the request by the id that its answer told. */
  readonly answered = new Map<string, string>();

  of(kind: string): Tally {
    const known = this.tallies.get(kind);
    if (known) return known;
    const created = { done: 0, retried: 0, unknown: 0, failed: 0 };
    this.tallies.set(kind, created);
    return created;
  }

  failed(kind: string, text: string): void {
    this.of(kind).failed += 1;
    const failure = { kind, at: Date.now(), text: text.slice(0, maxText) };
    this.failures.push(failure);
    this.onFailure(failure);
  }

  unknown(kind: string, how: Unknown['how']): Unknown {
    const unknown: Unknown = { kind, at: Date.now(), how, wasDone: undefined };
    this.of(kind).unknown += 1;
    this.unknowns.push(unknown);
    return unknown;
  }

  get done(): number {
    return [...this.tallies.values()].reduce((sum, { done }) => sum + done, 0);
  }
}
