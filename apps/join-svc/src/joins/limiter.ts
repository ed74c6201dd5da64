import { type Clock, failure } from '@postern/core';

/** Somebody, or everybody together, joins faster than can be meant well. */
const TooManyJoins = failure(
  'resource_exhausted',
  'join.too_many_joins',
  () => 'too many joins; try again later',
);

/** How many attempts may be open or have failed, and how fast failures are forgiven. */
interface LimiterRules {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  taken: number;
  at: number;
}

const perAddress: LimiterRules = { burst: 200, perSecond: 5 };
const overall: LimiterRules = { burst: 2_000, perSecond: 100 };
const maxAddresses = 50_000;

/**
 * Bounds how fast tokens can be guessed, for each address and in all. An attempt takes a place and a success gives it
 * back, so that any number of agents behind one address may join, but few may fail. Each replica counts for itself:
 * with 128 bits of token, twice the guesses are still none.
 */
export class JoinLimiter {
  readonly #clock: Clock;
  readonly #addresses = new Map<string, Bucket>();
  readonly #all: Bucket = { taken: 0, at: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a place, or throws; the answer gives it back. */
  enter(address: string): () => void {
    const at = this.#clock().getTime();
    const own = this.#bucketOf(networkOf(address));
    settle(own, perAddress, at);
    settle(this.#all, overall, at);
    if (own.taken >= perAddress.burst || this.#all.taken >= overall.burst) throw TooManyJoins();
    own.taken += 1;
    this.#all.taken += 1;
    return () => {
      own.taken = Math.max(0, own.taken - 1);
      this.#all.taken = Math.max(0, this.#all.taken - 1);
    };
  }

  #bucketOf(address: string): Bucket {
    const known = this.#addresses.get(address);
    if (known) return known;
    // Forgetting everybody forgives everybody, but the bound in all still holds.
    if (this.#addresses.size >= maxAddresses) this.#addresses.clear();
    const bucket = { taken: 0, at: 0 };
    this.#addresses.set(address, bucket);
    return bucket;
  }
}

function settle(bucket: Bucket, { perSecond }: LimiterRules, at: number): void {
  const elapsed = Math.max(0, at - bucket.at) / 1000;
  bucket.taken = Math.max(0, bucket.taken - elapsed * perSecond);
  bucket.at = at;
}

/** An IPv4 address, or the /64 of an IPv6 address: whoever has one address there has all of them. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!plain.includes(':')) return plain;
  const [head = ''] = plain.split('::', 1);
  const groups = head.split(':').slice(0, 4);
  return `${[...groups, ...Array<string>(4 - groups.length).fill('0')].join(':')}::/64`;
}
