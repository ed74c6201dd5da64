import { type Clock, failure } from '@postern/core';

export const TooManyRequests = failure(
  'resource_exhausted',
  'kube.request_rate_exceeded',
  (user: string, perSecond: number) =>
    `too many requests of user ${JSON.stringify(user)}: at most ${perSecond} per second; try again later`,
);

interface Bucket {
  left: number;
  atMs: number;
}

/** A user may save up this many seconds for a burst: `kubectl` begins with hundreds of discovery requests. */
const burstSeconds = 2;
const sweepAt = 10_000;

/** How often each user asks: a token bucket for each, with a burst of two seconds. */
export class RequestRates {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Counts one request, or refuses it. */
  take(user: string): void {
    if (this.#perSecond === 0) return;
    const now = this.#clock().getTime();
    const bucket = this.#bucketOf(user, now);
    this.#fill(bucket, now);
    if (bucket.left < 1) throw TooManyRequests(user, this.#perSecond);
    bucket.left -= 1;
  }

  #bucketOf(user: string, now: number): Bucket {
    const known = this.#buckets.get(user);
    if (known) return known;
    if (this.#buckets.size >= sweepAt) this.#forgetFull(now);
    const bucket = { left: this.#burst, atMs: now };
    this.#buckets.set(user, bucket);
    return bucket;
  }

  /** A clock that was set back gives nothing, and takes nothing. */
  #fill(bucket: Bucket, now: number): void {
    const gained = (Math.max(0, now - bucket.atMs) / 1000) * this.#perSecond;
    bucket.left = Math.min(this.#burst, bucket.left + gained);
    bucket.atMs = now;
  }

  #forgetFull(now: number): void {
    for (const [user, bucket] of this.#buckets) {
      this.#fill(bucket, now);
      if (bucket.left === this.#burst) this.#buckets.delete(user);
    }
  }

  get #burst(): number {
    return this.#perSecond * burstSeconds;
  }
}
