import { leastCredit } from './frame.ts';

/** What a window needs to know when it decides how large to be. */
export interface WindowRules {
  now(): number;
  /** The shortest round trip seen, in milliseconds; undefined before the first. */
  readonly shortestMs: number | undefined;
  /** Whether the window may grow by so many bytes; what is granted is given back by `giveBack`. */
  grant(bytes: number): boolean;
  giveBack(bytes: number): void;
}

// A window that is used up by half within two round trips holds its sender back: below this a round trip is the scheduling of
// two processes and tells nothing.
const leastTurnMs = 4;
// One that lasts so long is larger than its stream needs, and the room goes to others.
const idleTurnMs = 5000;

/**
 * What a peer may still send, and how much more it is told. Credit goes back when half the window was consumed. The window
 * grows while it is what limits the sender on this link, and shrinks when its stream became slow.
 * At every moment: what may come + what came and is not consumed + what is consumed and not told = size.
 */
export class ReceiveWindow {
  readonly #first: number;
  readonly #most: number;
  #size: number;
  #allowed: number;
  #consumed = 0;
  #toldAt = 0;

  constructor(first: number, most: number) {
    this.#first = first;
    this.#most = Math.max(first, most);
    this.#size = first;
    this.#allowed = first;
  }

  /** Whether the peer was allowed to send so many bytes. */
  receive(bytes: number): boolean {
    this.#allowed -= bytes;
    return this.#allowed >= 0;
  }

  /** Counts bytes as done with; returns the credit to tell the peer, mostly 0. */
  consume(bytes: number, rules: WindowRules): number {
    this.#consumed += bytes;
    if (this.#consumed < this.#size / 2) return 0;
    const now = rules.now();
    const turnMs = now - this.#toldAt;
    this.#toldAt = now;
    if (turnMs > idleTurnMs) this.#shrink(rules);
    else if (turnMs < Math.max(leastTurnMs, 2 * (rules.shortestMs ?? 0))) this.#grow(rules);
    const credit = this.#consumed;
    if (credit < leastCredit) return 0;
    this.#consumed = 0;
    this.#allowed += credit;
    return credit;
  }

  /** Gives what it grew by back to others; the stream is over. */
  close(rules: WindowRules): void {
    rules.giveBack(this.#size - this.#first);
    this.#size = this.#first;
  }

  #grow(rules: WindowRules): void {
    const more = Math.min(this.#size, this.#most - this.#size);
    if (more <= 0 || !rules.grant(more)) return;
    this.#size += more;
    this.#consumed += more;
  }

  #shrink(rules: WindowRules): void {
    const less = Math.min(this.#size - this.#first, this.#consumed);
    if (less <= 0) return;
    rules.giveBack(less);
    this.#size -= less;
    this.#consumed -= less;
  }
}
