import { agentSubjects, type FactBatch, type FactMessage, type NewEvent } from '@postern/contracts';
import { messageOf, uuidv7 } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import { sizeOf } from './fact-size.ts';

/** The part of the bus that facts need. */
export interface DurablePublisher {
  publishDurable(subject: string, message: FactBatch, options: { msgId: string }): Promise<unknown>;
}

export interface FactQueueDeps {
  readonly bus: DurablePublisher;
  readonly log: Logger;
  readonly agentId: string;
}

/** Facts of one type that travel together, and again under the same id when it is not known whether they arrived. */
interface Batch {
  readonly type: string;
  readonly facts: FactMessage[];
  bytes: number;
}

const maxBacklog = 20_000;
const maxBatchesInFlight = 8;
// An acknowledged message costs the edge more than the request it tells of; a hundred of them share that cost.
const maxBatchFacts = 100;
// Below the 256 kB that the bus credential of an agent allows in one message.
const maxBatchBytes = 180_000;
const lingerMs = 10;
const firstRetryMs = 250;
// A broken connection is back within a second or two, and facts should not wait in memory for longer than they must.
const maxRetryMs = 2_000;

/**
 * Publishes facts with acknowledgement, beside the data path and never in its way. While the bus is away they wait, up to
 * a bound; what is over the bound is counted and told in the log, never dropped in silence.
 */
export class FactQueue implements AsyncDisposable {
  readonly #deps: FactQueueDeps;
  /** By type, the batch that still takes facts. */
  readonly #open = new Map<string, Batch>();
  readonly #full: Batch[] = [];
  readonly #idle: (() => void)[] = [];
  #backlog = 0;
  #inFlight = 0;
  #retryMs = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #lingerTimer: NodeJS.Timeout | undefined;
  #lost = 0;
  #lostReported = 0;
  #isClosed = false;

  constructor(deps: FactQueueDeps) {
    this.#deps = deps;
  }

  /** How many facts were given up because the backlog was full. */
  get lost(): number {
    return this.#lost;
  }

  /** How many facts nobody has acknowledged yet. */
  get backlog(): number {
    return this.#backlog;
  }

  /** `id` is the event's id: the same fact twice is recorded once. */
  add({ type, v, data }: NewEvent<string, object>, at: Date, id: string = uuidv7(at.getTime())): void {
    if (this.#backlog >= maxBacklog) {
      this.#lost += 1;
      return;
    }
    const fact = { id, type, v, at: at.toISOString(), data: data as FactMessage['data'] };
    const bytes = sizeOf(fact.data);
    const batch = this.#batchFor(type, bytes);
    batch.facts.push(fact);
    batch.bytes += bytes;
    this.#backlog += 1;
    if (batch.facts.length >= maxBatchFacts) this.#seal(batch);
    else this.#lingerTimer ??= setTimeout(() => this.#sealAll(), lingerMs);
  }

  /** Waits until everything is published, for at most `ms`. */
  async flush(ms: number): Promise<void> {
    this.#sealAll();
    if (this.#backlog === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([new Promise<void>((resolve) => this.#idle.push(resolve)), timeout]);
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush(3000);
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#lingerTimer);
    if (this.#backlog > 0)
      this.#deps.log.error('facts were not published before the end', { count: this.#backlog });
  }

  #batchFor(type: string, bytes: number): Batch {
    const open = this.#open.get(type);
    if (open && open.bytes + bytes <= maxBatchBytes) return open;
    if (open) this.#seal(open);
    const batch: Batch = { type, facts: [], bytes: 0 };
    this.#open.set(type, batch);
    return batch;
  }

  #seal(batch: Batch): void {
    this.#open.delete(batch.type);
    this.#full.push(batch);
    this.#pump();
  }

  #sealAll(): void {
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = undefined;
    for (const batch of this.#open.values()) this.#seal(batch);
  }

  #pump(): void {
    while (this.#inFlight < maxBatchesInFlight && this.#retryTimer === undefined && !this.#isClosed) {
      const batch = this.#full.shift();
      if (!batch) break;
      void this.#publish(batch);
    }
    if (this.#backlog === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #publish(batch: Batch): Promise<void> {
    this.#inFlight += 1;
    const { type, facts } = batch;
    try {
      const subject = agentSubjects.fact(this.#deps.agentId, type);
      await this.#deps.bus.publishDurable(subject, { facts }, { msgId: facts[0]!.id });
      this.#backlog -= facts.length;
      this.#retryMs = 0;
      this.#reportLost();
    } catch (error) {
      // The very same batch goes again: part of it under the same id would be taken for all of it.
      this.#full.unshift(batch);
      this.#backOff(error);
    }
    this.#inFlight -= 1;
    this.#pump();
  }

  #backOff(error: unknown): void {
    if (this.#retryTimer !== undefined || this.#isClosed) return;
    this.#retryMs = Math.min(Math.max(this.#retryMs * 2, firstRetryMs), maxRetryMs);
    this.#deps.log.warn('facts cannot be published', { backlog: this.#backlog, reason: messageOf(error) });
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.#pump();
    }, this.#retryMs);
    this.#retryTimer.unref();
  }

  #reportLost(): void {
    if (this.#lost === this.#lostReported) return;
    this.#deps.log.error('facts were lost because the backlog was full', {
      count: this.#lost - this.#lostReported,
    });
    this.#lostReported = this.#lost;
  }
}
