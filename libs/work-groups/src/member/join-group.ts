import { type Bus, NoResponder } from '@postern/bus';
import type { WorkStatus } from '@postern/contracts';
import { delay, messageOf, systemClock } from '@postern/core';
import { slotAt } from '../slot.ts';
import { BrokerClient } from './broker-client.ts';
import type { GroupOptions, RunResult } from './group-options.ts';
import { MemberMetrics } from './member-metrics.ts';
import { runDelivery } from './run-delivery.ts';
import { ServerTime } from './server-time.ts';

/** A member of a group, until it is closed. */
export interface Membership extends AsyncDisposable {
  /** The group as the broker sees it. */
  status(): Promise<WorkStatus>;
  /** Offers the tasks of this slot again without waiting: there are others now. */
  offerNow(): void;
}

/** How long one question for a task waits, in milliseconds. Leaving the group takes as long at most, where nothing runs. */
const takeWaitMs = 2_000;
const maxBackoffMs = 5_000;
/** In long slots the tasks are offered again so often: it brings new ones, and back what the queue has lost. */
const offerAgainMs = 60_000;

/**
 * Joins a group: offers its tasks in each time slot, and runs those that it is given. Any number of members do each task of a
 * slot once; the tasks of a member that dies or stands still are given to another.
 */
export function joinGroup(bus: Bus, options: GroupOptions): Membership {
  return new Member(bus, options);
}

class Member implements Membership {
  readonly #options: GroupOptions;
  readonly #time = new ServerTime(() => performance.now());
  readonly #broker: BrokerClient;
  readonly #metrics: MemberMetrics;
  readonly #leaving = new AbortController();
  readonly #loops: readonly Promise<void>[];
  #isSkewed = false;
  #offering = new AbortController();

  constructor(bus: Bus, options: GroupOptions) {
    this.#options = options;
    this.#broker = new BrokerClient(bus, options.agentId, this.#time);
    this.#metrics = new MemberMetrics(options.telemetry?.meter);
    const takers = Array.from({ length: options.concurrency ?? 1 }, () => this.#loop(() => this.#work()));
    this.#loops = [this.#loop(() => this.#offer()), ...takers];
  }

  status(): Promise<WorkStatus> {
    return this.#broker.status(this.#options.group);
  }

  offerNow(): void {
    this.#offering.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    await Promise.all(this.#loops);
    this.#metrics[Symbol.dispose]();
  }

  /** Does something until the group is left, and after a failure waits, longer each time. */
  async #loop(step: () => Promise<void>): Promise<void> {
    const { signal } = this.#leaving;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await step();
        failures = 0;
      } catch (error) {
        failures += 1;
        const fields = { group: this.#options.group, error: messageOf(error) };
        // Processes start in any order: that nobody answers for a while is no news.
        const level = NoResponder.is(error) && failures <= 5 ? 'debug' : 'warn';
        if (!signal.aborted) this.#options.telemetry?.log[level]('a work group does not go on yet', fields);
        await this.#wait(Math.min(100 * 2 ** failures, maxBackoffMs) * (0.5 + Math.random()));
      }
    }
  }

  /** Offers the tasks of the present slot, and waits for the next one or for a while. */
  async #offer(): Promise<void> {
    const { group, slotMs, tasksOf } = this.#options;
    const now = this.#time.now();
    // An offer of nothing, made to hear the time.
    if (now === undefined) return void (await this.#broker.offer({ group, slotMs, slot: 0, tasks: [] }));
    const slot = slotAt(now, slotMs);
    // Made before the tasks are read: what changes from here on is read again.
    this.#offering = new AbortController();
    const tasks = [...new Set(await tasksOf(slot))];
    const reply = await this.#broker.offer({ group, slotMs, slot, tasks });
    this.#checkClock();
    const next = reply.slot === slot ? slot + slotMs : reply.slot;
    const signal = AbortSignal.any([this.#leaving.signal, this.#offering.signal]);
    await this.#wait(Math.min(next - (this.#time.now() ?? next), offerAgainMs), signal);
  }

  async #work(): Promise<void> {
    const { leaseMs, delivery } = await this.#broker.take(this.#options.group, takeWaitMs);
    if (!delivery) return;
    const startedAt = performance.now();
    const deps = { broker: this.#broker, run: this.#options.run, leaving: this.#leaving.signal };
    const result = await runDelivery(deps, delivery, leaseMs);
    this.#metrics.ran(result, (performance.now() - startedAt) / 1000);
    this.#tell(result);
  }

  #tell(result: RunResult): void {
    const { group, onResult, telemetry } = this.#options;
    const { task, outcome, attempt, error } = result;
    const fields = { group, task, attempt, outcome, error: error === undefined ? '' : messageOf(error) };
    if (outcome === 'failed' || outcome === 'lost')
      telemetry?.log.warn('a run of a task does not count', fields);
    try {
      onResult?.(result);
    } catch (thrown) {
      telemetry?.log.warn('a result of a task could not be taken in', { task, error: messageOf(thrown) });
    }
  }

  /** Slots follow the server's time. Whatever else looks at this machine's clock does not, so that it is worth a warning. */
  #checkClock(): void {
    const { slotMs, group, clock = systemClock, telemetry } = this.#options;
    const skewMs = clock().getTime() - (this.#time.now() ?? 0);
    this.#metrics.skewSeconds = skewMs / 1000;
    const isSkewed = Math.abs(skewMs) > Math.max(slotMs / 4, 1_000);
    if (isSkewed && !this.#isSkewed)
      telemetry?.log.warn('the clock of this machine differs from that of the server', { group, skewMs });
    this.#isSkewed = isSkewed;
  }

  async #wait(ms: number, signal: AbortSignal = this.#leaving.signal): Promise<void> {
    await delay(Math.max(0, ms), signal).catch(() => {});
  }
}
