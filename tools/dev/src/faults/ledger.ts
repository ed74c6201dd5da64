/** How a write was answered. */
export type Outcome = 'acknowledged' | 'refused' | 'unknown';

/** One write that was sent, under a mark that its event carries. */
export interface Attempt {
  readonly mark: string;
  readonly kind: string;
  readonly name: string;
  readonly verb: 'create' | 'put' | 'delete';
  readonly outcome: Outcome;
  /** What the answer was, where it was no success. */
  readonly why?: string;
  /** The JetStream stream that keeps it, of a fact that was acknowledged. */
  readonly stream?: string;
  /** When the answer came, in milliseconds of the monotonic clock. */
  readonly atMs?: number;
}

/** Everything that was written, in the order of the answers. */
export class Ledger {
  readonly attempts: Attempt[] = [];

  add(attempt: Attempt): void {
    this.attempts.push({ ...attempt, atMs: performance.now() });
  }

  count(outcome: Outcome): number {
    return this.attempts.filter((attempt) => attempt.outcome === outcome).length;
  }

  /** The longest time in milliseconds between two acknowledgements, of facts or of everything else. */
  longestGapMs(of: 'facts' | 'resources'): number {
    const times = this.attempts
      .filter(({ kind, outcome }) => (kind === 'fact') === (of === 'facts') && outcome === 'acknowledged')
      .map(({ atMs = 0 }) => atMs);
    return Math.max(0, ...times.slice(1).map((time, at) => time - times[at]!));
  }

  /** The JetStream streams that acknowledged facts, in the order in which they took over from each other. */
  factStreams(): string[] {
    const streams = this.attempts.flatMap(({ stream }) => (stream === undefined ? [] : [stream]));
    return streams.filter((stream, at) => stream !== streams[at - 1]);
  }

  /** How often each other answer came. */
  reasons(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { why } of this.attempts) if (why) counts[why] = (counts[why] ?? 0) + 1;
    return counts;
  }
}
