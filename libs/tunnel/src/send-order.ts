import type { Outgoing } from './outgoing.ts';

/** What may wait for its turn to send. Queues are linked through their members: a place in one costs no memory. */
export interface Sendable {
  readonly id: number;
  readonly outgoing: Outgoing;
  isInLine: boolean;
  behind: Sendable | undefined;
  /** The last frame of its data has gone into a batch. */
  endSent(): void;
  /** A writer that was asked to wait may go on. */
  drained(): void;
}

/** So many newcomers go before one that has had a turn already. */
const freshInARow = 8;

/**
 * Whose turn it is: one frame each, in a circle. Who had nothing to send until now goes first, so that an event of a watch
 * waits behind no more than other newcomers, and never behind a round of bulk transfers.
 */
export class SendOrder {
  readonly #fresh = new Line();
  readonly #circle = new Line();
  #freshServed = 0;

  /** Something to send has come up. */
  join(sendable: Sendable): void {
    if (!sendable.isInLine) this.#fresh.add(sendable);
  }

  /** It had its turn and has more. */
  rejoin(sendable: Sendable): void {
    if (!sendable.isInLine) this.#circle.add(sendable);
  }

  /** Takes the next one out of the line. */
  next(): Sendable | undefined {
    const isCirclesTurn = this.#freshServed >= freshInARow && !this.#circle.isEmpty;
    const fresh = isCirclesTurn ? undefined : this.#fresh.take();
    this.#freshServed = fresh === undefined ? 0 : this.#freshServed + 1;
    return fresh ?? this.#circle.take();
  }
}

class Line {
  #first: Sendable | undefined;
  #last: Sendable | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  add(sendable: Sendable): void {
    sendable.isInLine = true;
    if (this.#last === undefined) this.#first = sendable;
    else this.#last.behind = sendable;
    this.#last = sendable;
  }

  take(): Sendable | undefined {
    const taken = this.#first;
    if (taken === undefined) return undefined;
    this.#first = taken.behind;
    if (this.#first === undefined) this.#last = undefined;
    taken.behind = undefined;
    taken.isInLine = false;
    return taken;
  }
}
