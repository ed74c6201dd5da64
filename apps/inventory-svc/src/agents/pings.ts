import type { Bus } from '@postern/bus';
import { commandSubjects, type Ping, type Pong } from '@postern/contracts';
import { type Clock, failure, randomHex } from '@postern/core';

/** More questions than anybody has reason to ask. */
export const TooManyPings = failure(
  'resource_exhausted',
  'inventory.too_many_pings',
  () => 'too many agents are being pinged at the moment; try again',
);

/** How an agent answered. */
export interface Answered {
  readonly roundTripMs: number;
  /** How far its clock is ahead, if the way there took as long as the way back. */
  readonly clockOffsetMs: number;
}

interface Waiting {
  readonly agentId: string;
  readonly answered: (pong: Pong) => void;
}

const maxWaiting = 1_000;

/** Asks agents whether they are there. Each replica hears every answer, and knows its own by their nonces. */
export class Pings {
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(bus: Pick<Bus, 'publish'>, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** Asks an agent; undefined where it has not answered within the time, in milliseconds. */
  async ping(agentId: string, timeoutMs: number): Promise<Answered | undefined> {
    if (this.#waiting.size >= maxWaiting) throw TooManyPings();
    const nonce = randomHex(16);
    const { promise, resolve } = Promise.withResolvers<Pong | undefined>();
    const timer = setTimeout(resolve, timeoutMs, undefined);
    this.#waiting.set(nonce, { agentId, answered: resolve });
    const [sent, sentAt] = [performance.now(), this.#clock().getTime()];
    try {
      this.#bus.publish(commandSubjects.ping(agentId), { nonce } satisfies Ping);
      const pong = await promise;
      if (!pong) return undefined;
      const roundTripMs = performance.now() - sent;
      return { roundTripMs, clockOffsetMs: Math.round(Date.parse(pong.at) - sentAt - roundTripMs / 2) };
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(nonce);
    }
  }

  /** An agent has answered somebody. */
  heard({ agentId, ...pong }: Pong & { readonly agentId: string }): void {
    const waiting = this.#waiting.get(pong.nonce);
    if (waiting && waiting.agentId === agentId) waiting.answered(pong);
  }
}
