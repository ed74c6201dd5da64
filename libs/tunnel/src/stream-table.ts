import { failure } from '@postern/core';
import { ProtocolBroken } from './failures.ts';
import type { TunnelLimits } from './limits.ts';
import type { Stream } from './stream.ts';

/** A tunnel carries as many streams as it may. */
export const TooManyStreams = failure(
  'resource_exhausted',
  'tunnel.too_many_streams',
  (most: number) => `the tunnel carries ${most} streams already; try again when some have ended`,
);

/** Which end this is: the one that dialled opens odd streams, the one that listened even ones. */
export type TunnelSide = 'dialer' | 'listener';

/** The streams of a tunnel and the numbers that they have. */
export class StreamTable {
  readonly #limits: TunnelLimits;
  readonly #streams = new Map<number, Stream>();
  #nextOurs: number;
  #nextTheirs: number;
  #ours = 0;
  #theirs = 0;

  constructor(side: TunnelSide, limits: TunnelLimits) {
    this.#limits = limits;
    this.#nextOurs = side === 'dialer' ? 1 : 2;
    this.#nextTheirs = side === 'dialer' ? 2 : 1;
  }

  get size(): number {
    return this.#streams.size;
  }

  get all(): Stream[] {
    return [...this.#streams.values()];
  }

  /** Whether our numbers are used up: they are never used again. */
  get isUsedUp(): boolean {
    return this.#nextOurs > this.#limits.lastStream;
  }

  /** A number for a stream of ours. */
  take(): number {
    if (this.#ours >= this.#limits.streams) throw TooManyStreams(this.#limits.streams);
    const id = this.#nextOurs;
    this.#nextOurs += 2;
    return id;
  }

  /** Checks the number of a stream that the peer opens; tells whether there is room for it. */
  admit(id: number): boolean {
    if (id !== this.#nextTheirs) throw ProtocolBroken('a stream opened with a number that is not the next');
    // Streams that we refused or gave up count until the peer has heard of it.
    if (this.#theirs >= 2 * this.#limits.streams) throw ProtocolBroken('more streams than an end can have');
    this.#nextTheirs += 2;
    return this.#theirs < this.#limits.streams;
  }

  add(stream: Stream): void {
    this.#streams.set(stream.id, stream);
    if (stream.isOurs) this.#ours += 1;
    else this.#theirs += 1;
  }

  remove(stream: Stream): void {
    if (!this.#streams.delete(stream.id)) return;
    if (stream.isOurs) this.#ours -= 1;
    else this.#theirs -= 1;
  }

  /** The stream of a frame, undefined when it is over. Throws when there never was one. */
  find(id: number): Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    const next = id % 2 === this.#nextOurs % 2 ? this.#nextOurs : this.#nextTheirs;
    if (id === 0 || id >= next) throw ProtocolBroken('a frame of a stream that was never opened');
    return undefined;
  }

  /** The stream whose reader keeps most memory. */
  get largest(): Stream | undefined {
    let largest: Stream | undefined;
    for (const stream of this.#streams.values())
      if (stream.heldBytes > (largest?.heldBytes ?? 0)) largest = stream;
    return largest;
  }
}
