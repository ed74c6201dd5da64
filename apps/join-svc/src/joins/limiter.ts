import { type Clock, failure } from '@postern/core';

/** Somebody, or everybody together, joins faster than can be meant well. */
export const TooManyJoins = failure(
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
 * What an attempt shows at the cost of a hash or two: a token whose name is the secret, a challenge of ours for its key, the name of
 * a token, or nothing.
 */
export type Shown = 'secret' | 'challenge' | 'name' | 'nothing';

/**
 * Bounds how fast tokens can be guessed, for each address and in all. An attempt takes a place and a success gives it
 * back, so that any number of agents behind one address may join, but few may fail. In all, those that show the same
 * are counted together: guesses by the thousand turn away guesses, not those who know a token or answer a challenge
 * (ADR 46). Each replica counts for itself: with 128 bits of token, twice the guesses are still none.
 */
export class JoinLimiter {
  readonly #clock: Clock;
  readonly #overall: LimiterRules;
  readonly #addresses = new Map<string, Bucket>();
  readonly #all: Readonly<Record<Shown, Bucket>> = {
    secret: { taken: 0, at: 0 },
    challenge: { taken: 0, at: 0 },
    name: { taken: 0, at: 0 },
    nothing: { taken: 0, at: 0 },
  };

  constructor(clock: Clock, burst = overall.burst) {
    this.#clock = clock;
    this.#overall = { ...overall, burst };
  }

  /** Throws where too much has failed from an address of late. */
  check(address: string): void {
    this.#ownOf(address);
  }

  /** Whether too much has failed from an address of late, at the least cost. */
  isSpent(address: string): boolean {
    const own = this.#addresses.get(networkOf(address));
    if (!own) return false;
    settle(own, perAddress, this.#clock().getTime());
    return own.taken >= perAddress.burst;
  }

  /**
   * Takes a place, or throws; the answer gives it back. An address that has none left is not asked what it shows, and one that guesses
   * while guesses are turned away has failed as well.
   */
  enter(address: string, shows: () => Shown): () => void {
    const own = this.#ownOf(address);
    const shown = shows();
    const all = this.#all[shown];
    settle(all, this.#overall, this.#clock().getTime());
    if (all.taken >= this.#overall.burst) {
      if (shown === 'nothing') own.taken += 1;
      throw TooManyJoins();
    }
    const taken = [own, all];
    for (const bucket of taken) bucket.taken += 1;
    return () => {
      for (const bucket of taken) bucket.taken = Math.max(0, bucket.taken - 1);
    };
  }

  #ownOf(address: string): Bucket {
    const own = this.#bucketOf(networkOf(address));
    settle(own, perAddress, this.#clock().getTime());
    if (own.taken >= perAddress.burst) throw TooManyJoins();
    return own;
  }

  #bucketOf(address: string): Bucket {
    const known = this.#addresses.get(address);
    if (known) return known;
    // Forgetting everybody forgives everybody, but the bounds in all still hold.
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
