import { agentSubjects, type FactMessage, type NewEvent } from '@postern/contracts';
import { messageOf, uuidv7 } from '@postern/core';
import type { Logger } from '@postern/telemetry';

/** The part of the bus that facts need. */
export interface DurablePublisher {
  publishDurable(subject: string, message: FactMessage, options: { msgId: string }): Promise<unknown>;
}

export interface FactQueueDeps {
  readonly bus: DurablePublisher;
  readonly log: Logger;
  readonly agentId: string;
}

const maxBacklog = 20_000;
const maxInFlight = 128;
const firstRetryMs = 250;
const maxRetryMs = 10_000;

/**
 * Publishes facts with acknowledgement, beside the data path and never in its way. While the bus is away they wait, up to
 * a bound; what is over the bound is counted and told in the log, never dropped in silence.
 */
export class FactQueue implements AsyncDisposable {
  readonly #deps: FactQueueDeps;
  #queue: FactMessage[] = [];
  #head = 0;
  #inFlight = 0;
  #retryMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;
  #lostReported = 0;
  #isClosed = false;
  readonly #idle: (() => void)[] = [];

  constructor(deps: FactQueueDeps) {
    this.#deps = deps;
  }

  /** How many facts were given up because the backlog was full. */
  get lost(): number {
    return this.#lost;
  }

  get backlog(): number {
    return this.#queue.length - this.#head;
  }

  /** `id` is the event's id: the same fact twice is recorded once. */
  add({ type, v, data }: NewEvent<string, object>, at: Date, id: string = uuidv7(at.getTime())): void {
    if (this.backlog >= maxBacklog) {
      this.#lost += 1;
      this.#pump();
      return;
    }
    this.#queue.push({
      id,
      type,
      v,
      at: at.toISOString(),
      data: data as FactMessage['data'],
    });
    this.#pump();
  }

  /** Waits until everything is published, for at most `ms`. */
  async flush(ms: number): Promise<void> {
    if (this.backlog === 0 && this.#inFlight === 0) return;
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
    clearTimeout(this.#timer);
    const left = this.backlog + this.#inFlight;
    if (left > 0) this.#deps.log.error('facts were not published before the end', { count: left });
  }

  #pump(): void {
    while (this.#inFlight < maxInFlight && this.backlog > 0 && this.#timer === undefined && !this.#isClosed) {
      const fact = this.#queue[this.#head]!;
      this.#head += 1;
      void this.#publish(fact);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    if (this.backlog === 0 && this.#inFlight === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #publish(fact: FactMessage): Promise<void> {
    this.#inFlight += 1;
    try {
      await this.#deps.bus.publishDurable(agentSubjects.fact(this.#deps.agentId, fact.type), fact, {
        msgId: fact.id,
      });
      this.#retryMs = 0;
      this.#reportLost();
    } catch (error) {
      this.#queue.push(fact);
      this.#backOff(error);
    }
    this.#inFlight -= 1;
    this.#pump();
  }

  #backOff(error: unknown): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#retryMs = Math.min(Math.max(this.#retryMs * 2, firstRetryMs), maxRetryMs);
    this.#deps.log.warn('facts cannot be published', { backlog: this.backlog, reason: messageOf(error) });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, this.#retryMs);
    this.#timer.unref();
  }

  #reportLost(): void {
    if (this.#lost === this.#lostReported) return;
    this.#deps.log.error('facts were lost because the backlog was full', {
      count: this.#lost - this.#lostReported,
    });
    this.#lostReported = this.#lost;
  }
}
