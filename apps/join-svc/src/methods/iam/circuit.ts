import { type Clock, failure } from '@postern/core';

/** STS has failed too often to be asked now. */
export const StsUnavailable = failure(
  'unavailable',
  'join.sts_unavailable',
  () => 'the join cannot be decided now, because AWS does not answer; try again in a moment',
);

const failuresToOpen = 5;
const firstPauseMs = 1_000;
const maxPauseMs = 60_000;

/**
 * Stops doing what fails. After five failures in a row nobody may for a second, then one may, to try; each further failure doubles the
 * pause. Whoever is turned away meanwhile is told to come back, and comes back at growing distances.
 */
class Circuit {
  readonly #clock: Clock;
  #failures = 0;
  #closedUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws while nobody may. */
  enter(): void {
    if (this.#failures < failuresToOpen) return;
    const now = this.#clock().getTime();
    if (now < this.#closedUntil) throw StsUnavailable();
    // This one tries; the others wait until it is known how that went, or for another pause.
    this.#closedUntil = now + this.#pauseMs();
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    this.#closedUntil = this.#clock().getTime() + this.#pauseMs();
  }

  #pauseMs(): number {
    const doublings = Math.max(0, this.#failures - failuresToOpen);
    return Math.min(maxPauseMs, firstPauseMs * 2 ** doublings);
  }
}

/** How a question ended. */
export type Outcome = 'answered' | 'throttled' | 'failed';

const maxCircuits = 10_000;

/**
 * One circuit for each host, and one for each address that joins at a host. AWS throttles the account that signs, which is the joiner's
 * own choice: that it is throttled closes the way for its address, and nobody else's.
 */
export class Circuits {
  readonly #clock: Clock;
  readonly #circuits = new Map<string, Circuit>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws while the host, or this address at it, is not to be asked. Whoever may ask reports how it went. */
  enter(host: string, address: string): (outcome: Outcome) => void {
    const [whole, own] = [this.#of(host), this.#of(`${host} ${address}`)];
    own.enter();
    whole.enter();
    return (outcome) => {
      if (outcome === 'failed') whole.failed();
      else whole.succeeded();
      if (outcome === 'throttled') own.failed();
      else own.succeeded();
    };
  }

  #of(name: string): Circuit {
    const known = this.#circuits.get(name);
    if (known) return known;
    // Forgetting all of them asks a host that fails five times more.
    if (this.#circuits.size >= maxCircuits) this.#circuits.clear();
    const circuit = new Circuit(this.#clock);
    this.#circuits.set(name, circuit);
    return circuit;
  }
}
