import type { WorkDelivery } from '@postern/contracts';
import { delay } from '@postern/core';
import { DeliveryLost } from '../broker/work-task.ts';
import type { BrokerClient } from './broker-client.ts';

/** A delivery that is being worked on: tells the broker so until it is stopped, and knows when it can no longer be held. */
export class Lease {
  readonly #broker: BrokerClient;
  readonly #delivery: WorkDelivery;
  readonly #leaseMs: number;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  readonly #extending: Promise<void>;
  /** The broker counts from when it heard of us, which is later than we asked. */
  #heldUntil: number;

  constructor(broker: BrokerClient, delivery: WorkDelivery, leaseMs: number) {
    this.#broker = broker;
    this.#delivery = delivery;
    this.#leaseMs = leaseMs;
    this.#heldUntil = performance.now() + leaseMs;
    this.#extending = this.#extend();
  }

  /** Aborted when somebody else may have the task. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the broker may still take it for ours. */
  get isHeld(): boolean {
    return !this.lost.aborted && performance.now() < this.#heldUntil;
  }

  /** Extends it no more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#extending;
  }

  async #extend(): Promise<void> {
    const { signal } = this.#stopped;
    for (;;) {
      await delay(this.#leaseMs / 3, signal).catch(() => {});
      if (signal.aborted) return;
      const askedAt = performance.now();
      try {
        await this.#broker.extend(this.#delivery);
        this.#heldUntil = askedAt + this.#leaseMs;
      } catch (error) {
        if (!DeliveryLost.is(error) && this.isHeld) continue;
        return this.#lost.abort(DeliveryLost.from(error, this.#delivery.task));
      }
    }
  }
}
