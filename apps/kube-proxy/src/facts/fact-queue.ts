import { agentSubjects, carrierOf } from '@postern/contracts';
import { messageOf, sha256Hex } from '@postern/core';
import type { Logger } from '@postern/telemetry';

/** The part of the bus that facts need. The message is a `FactBatch` as JSON. */
export interface DurablePublisher {
  publishDurable(subject: string, message: Uint8Array, options: { msgId: string }): Promise<unknown>;
}

export interface FactQueueDeps<Source> {
  readonly bus: DurablePublisher;
  readonly log: Logger;
  readonly agentId: string;
  /** Told where the facts came from that are kept by the bus now. */
  readonly acknowledged: (sources: readonly Source[]) => void;
}

/** A fact as JSON, its id first. */
export interface QueuedFact<Source> {
  readonly type: string;
  readonly text: string;
  readonly source: Source;
}

/** Facts that travel together, and again under the same id when it is not known whether they arrived. */
interface Batch<Source> {
  readonly carrier: string;
  readonly texts: string[];
  readonly sources: Source[];
  bytes: number;
}

const maxBatchesInFlight = 8;
// An acknowledged message costs the edge more than the request it tells of; a hundred of them share that cost.
const maxBatchFacts = 100;
// Below the 256 kB that the bus credential of an agent allows in one message.
const maxBatchBytes = 180_000;
// They are on disk meanwhile.
const lingerMs = 50;
const firstRetryMs = 250;
// A broken connection is back within a second or two, and facts should not wait in memory for longer than they must.
const maxRetryMs = 2_000;

/** Publishes facts with acknowledgement, beside the data path and never in its way. Whoever adds them bounds their number. */
export class FactQueue<Source> implements AsyncDisposable {
  readonly #deps: FactQueueDeps<Source>;
  /** By the subject they travel under, the batch that still takes facts. */
  readonly #open = new Map<string, Batch<Source>>();
  readonly #full: Batch<Source>[] = [];
  readonly #idle: (() => void)[] = [];
  #backlog = 0;
  #inFlight = 0;
  #retryMs = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #lingerTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(deps: FactQueueDeps<Source>) {
    this.#deps = deps;
  }

  /** How many facts nobody has acknowledged yet. */
  get backlog(): number {
    return this.#backlog;
  }

  add({ type, text, source }: QueuedFact<Source>): void {
    const bytes = Buffer.byteLength(text) + 1;
    const batch = this.#batchFor(carrierOf(type), bytes);
    batch.texts.push(text);
    batch.sources.push(source);
    batch.bytes += bytes;
    this.#backlog += 1;
    if (batch.texts.length >= maxBatchFacts) this.#seal(batch);
    else this.#lingerTimer ??= setTimeout(() => this.#sealAll(), lingerMs);
  }

  /** Waits until everything is acknowledged, for at most `ms`. */
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
      this.#deps.log.warn('facts were not published before the end', { count: this.#backlog });
  }

  #batchFor(carrier: string, bytes: number): Batch<Source> {
    const open = this.#open.get(carrier);
    if (open && open.bytes + bytes <= maxBatchBytes) return open;
    if (open) this.#seal(open);
    const batch: Batch<Source> = { carrier, texts: [], sources: [], bytes: 0 };
    this.#open.set(carrier, batch);
    return batch;
  }

  #seal(batch: Batch<Source>): void {
    this.#open.delete(batch.carrier);
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

  async #publish(batch: Batch<Source>): Promise<void> {
    this.#inFlight += 1;
    const { carrier, texts, sources } = batch;
    try {
      const subject = agentSubjects.fact(this.#deps.agentId, carrier);
      const message = Buffer.from(`{"facts":[${texts.join(',')}]}`);
      // Of all that is in it: after a crash the same facts travel again, but with others, which the bus must not take for known.
      await this.#deps.bus.publishDurable(subject, message, { msgId: sha256Hex(message) });
      this.#backlog -= texts.length;
      this.#retryMs = 0;
      this.#deps.acknowledged(sources);
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
}
