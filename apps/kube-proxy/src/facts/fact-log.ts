import { type Clock, failure, uuidv7 } from '@postern/core';
import type { NewEvent } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { type DurablePublisher, FactQueue } from './fact-queue.ts';
import { Journal, type JournalOptions } from './journal.ts';
import type { Segment } from './segment.ts';

/** What could be asked for could not be recorded. */
export const AuditUnavailable = failure(
  'unavailable',
  'kube.audit_unavailable',
  () =>
    'requests cannot be recorded at the moment, and nothing is done here that is not recorded; try again later',
);

/** What to do while facts cannot be kept: refuse what would make more of them, or go on and count what is lost. */
export type OnFull = 'refuse' | 'continue';

export interface FactLogOptions extends JournalOptions {
  readonly onFull: OnFull;
  /** Facts in memory at most; what is beyond waits on disk alone. */
  readonly maxQueued?: number;
}

export interface FactLogDeps {
  readonly bus: DurablePublisher;
  readonly log: Logger;
  readonly clock: Clock;
  readonly agentId: string;
  /** Told when the journal is closed. */
  readonly closed?: () => void;
}

/** A fact whose data is JSON already. */
export interface EncodedFact {
  readonly type: string;
  readonly v: number;
  readonly json: string;
}

/** A fact, or what stands for it. */
type NewFact = NewEvent<string, object> | EncodedFact;

const defaultMaxQueued = 10_000;
const alarmAt = 0.8;

/**
 * Facts of this process: each is on local disk before anybody depends on it, and stays there until the bus has acknowledged it.
 * While the bus is away they wait on disk, up to the bound of the journal, and little of them in memory.
 */
export class FactLog implements AsyncDisposable {
  readonly #deps: FactLogDeps;
  readonly #onFull: OnFull;
  readonly #maxQueued: number;
  readonly #maxBytes: number;
  readonly #journal: Journal;
  readonly #queue: FactQueue<Segment | undefined>;
  #lost = 0;
  #isAlarmed = false;
  #isReading = false;
  #isClosed = false;

  /** Opens the journal and begins to publish what an earlier process left in it. */
  static async open(deps: FactLogDeps, options: FactLogOptions): Promise<FactLog> {
    return new FactLog(deps, options, await Journal.open(options, deps));
  }

  private constructor(deps: FactLogDeps, options: FactLogOptions, journal: Journal) {
    this.#deps = deps;
    this.#onFull = options.onFull;
    this.#maxQueued = options.maxQueued ?? defaultMaxQueued;
    this.#maxBytes = options.maxBytes;
    this.#journal = journal;
    this.#queue = new FactQueue({ ...deps, acknowledged: (segments) => this.#acknowledged(segments) });
    this.#readOn();
  }

  /** Facts that were given up because there was no room for them. */
  get lost(): number {
    return this.#lost;
  }

  /** Bytes of facts on disk, those that the bus acknowledged a moment ago included. */
  get usedBytes(): number {
    return this.#journal.usedBytes;
  }

  /** Facts in memory that nobody has acknowledged yet. */
  get backlog(): number {
    return this.#queue.backlog;
  }

  /** Things under way whose end is promised. */
  get promises(): number {
    return this.#journal.promises;
  }

  /** Whether what is asked for must be refused, since it could not be recorded. */
  get mustRefuse(): boolean {
    return this.#onFull === 'refuse' && this.#journal.isFull;
  }

  /** Tells a fact. `id` is the event's id: the same fact twice is recorded once. */
  add(fact: NewFact, at: Date = this.#deps.clock(), id: string = uuidv7(at.getTime())): void {
    const text = textOf(fact, at, id);
    const segment = this.#isOverfull ? undefined : this.#journal.append({ type: 'fact', text });
    this.#alarm();
    if (!segment) this.#addUnwritten(fact.type, text);
    else if (segment.isQueued) {
      this.#queue.add({ type: fact.type, text, source: segment });
      if (this.#queue.backlog >= this.#maxQueued) this.#journal.roll(false);
    } else if (this.#queue.backlog === 0) this.#readOn();
  }

  /**
   * Promises a fact under an id: should this process end before it tells another one under that id, then this one is told.
   * Settles when the promise is on disk, and fails where it cannot be and must be.
   */
  async promise(fact: NewFact, at: Date, id: string): Promise<void> {
    try {
      if (!this.#journal.append({ type: 'promise', text: textOf(fact, at, id) })) throw AuditUnavailable();
      await this.#journal.written();
    } catch (error) {
      if (this.#onFull === 'refuse') throw AuditUnavailable.from(error);
    }
  }

  /** Waits until everything is acknowledged that is queued, for at most `ms`. */
  flush(ms: number): Promise<void> {
    return this.#queue.flush(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#queue[Symbol.asyncDispose]();
    await this.#journal[Symbol.asyncDispose]();
    this.#deps.closed?.();
  }

  /** Requests that are under way when the bound is reached are still recorded, but not without any bound. */
  get #isOverfull(): boolean {
    return this.#journal.usedBytes >= 1.1 * this.#maxBytes;
  }

  /** What the disk does not take may still go out from memory. */
  #addUnwritten(type: string, text: string): void {
    if (this.#queue.backlog < this.#maxQueued) this.#queue.add({ type, text, source: undefined });
    else this.#lose(1);
  }

  #lose(count: number): void {
    if (this.#lost === 0)
      this.#deps.log.error('facts are lost: there is no room for them, and the bus takes none');
    this.#lost += count;
  }

  #alarm(): void {
    const isNear = this.#journal.usedBytes >= alarmAt * this.#maxBytes;
    if (isNear && !this.#isAlarmed) {
      const { usedBytes } = this.#journal;
      this.#deps.log.error('the journal of facts is filling up', { usedBytes, maxBytes: this.#maxBytes });
    }
    this.#isAlarmed = isNear;
  }

  #acknowledged(segments: readonly (Segment | undefined)[]): void {
    for (const segment of segments) if (segment) this.#journal.release(segment);
    if (this.#queue.backlog < this.#maxQueued / 4) this.#readOn();
  }

  /** Queues the facts of the next file that are on disk only. */
  #readOn(): void {
    const next = this.#journal.oldestUnqueued;
    if (!next || this.#isReading || this.#isClosed) return;
    if (this.#journal.isCurrent(next)) this.#journal.roll(true);
    if (this.#journal.isCurrent(next)) return;
    this.#isReading = true;
    next.isQueued = true;
    this.#read(next).then(
      () => (this.#isReading = false),
      (error: unknown) => {
        this.#deps.log.error('a file of facts cannot be read', { file: next.path, reason: String(error) });
        this.#isReading = false;
      },
    );
  }

  async #read(segment: Segment): Promise<void> {
    for (const text of await this.#journal.readFacts(segment))
      this.#queue.add({ type: typeOf(text), text, source: segment });
    if (this.#queue.backlog < this.#maxQueued / 4) setImmediate(() => this.#readOn());
  }
}

/** Ids and names of types are made by programs of letters, digits and dashes. */
function textOf(fact: NewFact, at: Date, id: string): string {
  const json = 'json' in fact ? fact.json : JSON.stringify(fact.data);
  return `{"id":"${id}","type":"${fact.type}","v":${fact.v},"at":"${at.toISOString()}","data":${json}}`;
}

function typeOf(text: string): string {
  return (JSON.parse(text) as { type: string }).type;
}
