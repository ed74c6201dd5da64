import { ProtocolBroken } from './failures.ts';
import type { TunnelTimers } from './timers.ts';

/** Pings without an answer after which the other end is taken for dead. */
const mostMissed = 2;

/** What keeps a tunnel's liveness. */
export interface LivenessOptions {
  readonly intervalMs: number;
  readonly timers: TunnelTimers;
  ping(number: number): void;
  /** The peer has not answered for so many milliseconds. */
  silent(ms: number): void;
}

/**
 * Pings, in both directions of every leg: a balancer that drops idle connections never finds this one idle, and an end that is
 * gone without a word is noticed within three intervals. Only an answer counts, not bytes that come: a peer that sends and
 * never reads is as good as dead. Intervals are counted, not time, so that a process that was frozen itself hears its peer
 * before it judges.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  #stop: () => void;
  #number = 0;
  #sentAt: number | undefined;
  #missed = 0;
  #last: number | undefined;
  #shortest: number | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#stop = options.timers.every(options.intervalMs, () => this.#tick());
    this.#send();
  }

  /** The last round trip in milliseconds, waiting behind other frames included. */
  get roundTripMs(): number | undefined {
    return this.#last;
  }

  /** The shortest one, which is that of the link: what queues of our own add does not count into windows. */
  get shortestMs(): number | undefined {
    return this.#shortest;
  }

  /** An answer came; throws when nothing was asked. */
  answered(number: number): void {
    if (this.#sentAt === undefined || number !== this.#number) throw ProtocolBroken('an answer to no ping');
    this.#last = this.#options.timers.now() - this.#sentAt;
    this.#shortest = Math.min(this.#shortest ?? this.#last, this.#last);
    this.#sentAt = undefined;
    this.#missed = 0;
  }

  stop(): void {
    this.#stop();
  }

  #tick(): void {
    if (this.#sentAt === undefined) return this.#send();
    this.#missed += 1;
    if (this.#missed >= mostMissed) this.#options.silent(this.#options.timers.now() - this.#sentAt);
  }

  #send(): void {
    this.#number = (this.#number + 1) >>> 0;
    this.#sentAt = this.#options.timers.now();
    this.#options.ping(this.#number);
  }
}
