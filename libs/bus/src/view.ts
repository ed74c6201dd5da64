import {
  agentSubjects,
  liveViewSubject,
  type OpenViewReply,
  type Selector,
  selectorHash,
  type SnapshotPage,
  type ViewEntry,
  type ViewProof,
} from '@postern/contracts';
import { type Clock, delay, failure, messageOf, systemClock } from '@postern/core';
import type { Bus, BusMessage } from './bus.ts';
import { BusForbidden, NoResponder } from './failures.ts';
import type { ViewChange } from './view-entries.ts';
import { ViewReading } from './view-reading.ts';
import { viewEntryOf, viewHeaders } from './view-store.ts';

/** A view that the resource service does not open for this agent. */
export const ViewRefused = failure(
  'permission_denied',
  'bus.view_refused',
  (code: string, why: string) => `the view was refused (${code}): ${why}`,
);

/** The view was given up on the other side; it is opened again. */
const ViewUnknown = failure('not_found', 'bus.view_unknown', () => 'the view is not open');

/** Another replica will know better. */
const OlderGeneration = failure(
  'unavailable',
  'bus.older_generation',
  () => 'the page is of an older generation',
);

/** Services start in any order: for so long, and so often, that nobody answers is no news. */
const patience = { failures: 5, ms: 5000 };

/** Which view to read, and whom to tell. */
export interface ViewOptions {
  readonly agentId: string;
  readonly selector: Selector;
  /** Called for each entry that appears, changes or goes (then without `resource`), also while the first snapshot is read. */
  readonly onChange?: (entry: ViewEntry, previous: ViewEntry | undefined) => void;
  /** Called once, when the first snapshot is complete. */
  readonly onReady?: () => void;
  /** Shows who asks, for a service that has not heard of the agent's joining. */
  readonly prove?: (hash: string) => Promise<ViewProof>;
  readonly clock?: Clock;
  /** How often everything is read again although nothing seems to be missing. */
  readonly snapshotIntervalMs?: number;
}

/** The resources that match a selector, kept up to date. */
export interface View extends AsyncDisposable {
  readonly hash: string;
  /** Resolves when the first snapshot is complete; never rejects. */
  readonly ready: Promise<void>;
  get(kind: string, id: string): ViewEntry | undefined;
  entries(kind: string): ViewEntry[];
  /** Names the content: equal for equal entries at equal revisions, wherever they are read. */
  position(): string;
  /** When the other side was last heard of: a change, or a page of a snapshot. */
  lastContactAt(): Date;
  close(): void;
}

/**
 * Opens a view and keeps reading it. Live changes are subscribed first and snapshots are merged into them, so nothing falls
 * between. Core messages are lost while the connection is down, so everything is read again after each reconnection, when a
 * sequence number is missing, and now and then.
 */
export function openView(bus: Bus, options: ViewOptions): View {
  return new LiveView(bus, options);
}

class LiveView implements View {
  readonly hash: string;
  readonly ready: Promise<void>;
  readonly #bus: Bus;
  readonly #options: ViewOptions;
  readonly #reading = new ViewReading();
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = new AbortController();
  readonly #stopReconnect: () => void;
  readonly #running: Promise<void>;
  #subscriptions: { unsubscribe(): void }[] = [];
  #isOpen = false;
  #isReady = false;
  #failures = 0;
  #retry = new AbortController();
  #stale = Promise.withResolvers<void>();
  #lastContact: Date;

  constructor(bus: Bus, options: ViewOptions) {
    this.hash = selectorHash(options.selector);
    this.ready = this.#ready.promise;
    this.#bus = bus;
    this.#options = options;
    this.#lastContact = new Date(0);
    this.#stopReconnect = bus.onReconnect(() => this.#reconnected());
    this.#running = this.#run();
  }

  get(kind: string, id: string): ViewEntry | undefined {
    return this.#reading.entries.get(kind, id);
  }

  entries(kind: string): ViewEntry[] {
    return this.#reading.entries.entries(kind);
  }

  position(): string {
    return this.#reading.entries.digest;
  }

  lastContactAt(): Date {
    return this.#lastContact;
  }

  close(): void {
    this.#ended.abort();
    this.#stopReconnect();
    this.#unsubscribe();
    this.#stale.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    let since = 0;
    while (!this.#ended.signal.aborted) {
      try {
        await this.#synchronize();
        this.#failures = 0;
        await this.#untilStale();
      } catch (error) {
        this.#failures += 1;
        if (this.#failures === 1) since = performance.now();
        await this.#waitAfter(error, this.#failures, since);
      }
    }
  }

  async #synchronize(): Promise<void> {
    if (this.#subscriptions.length === 0) await this.#subscribe();
    if (!this.#isOpen) await this.#open();
    this.#reading.begin();
    for (let after = ''; ;) {
      const page = await this.#page(after);
      this.#lastContact = this.#now();
      this.#tell(this.#reading.page(page));
      if (page.next === '') break;
      after = page.next;
    }
    this.#tell(this.#reading.end());
    this.#setReady();
  }

  async #subscribe(): Promise<void> {
    const kinds = [...new Set(this.#options.selector.kinds)];
    const subjects = kinds.map((kind) => liveViewSubject(this.hash, kind));
    const onError = () => {
      this.#unsubscribe();
      this.#missed();
    };
    this.#subscriptions = subjects.map((subject) =>
      this.#bus.subscribe(subject, { onError }, (message) => this.#live(message)),
    );
    // When this returns the server has accepted the subscriptions, or the handler above was called.
    await this.#bus.flush();
    if (this.#subscriptions.length === 0) throw BusForbidden(subjects.join(', '));
  }

  #unsubscribe(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  async #open(): Promise<void> {
    const { agentId, selector, prove } = this.#options;
    const request = prove ? { selector, proof: await prove(this.hash) } : { selector };
    const reply = (await this.#bus.request(agentSubjects.openView(agentId), request)) as OpenViewReply;
    if (!reply.ok) throw ViewRefused(reply.code, reply.message);
    this.#isOpen = true;
  }

  async #page(after: string): Promise<SnapshotPage> {
    const subject = agentSubjects.snapshot(this.#options.agentId);
    const page = (await this.#bus.request(subject, { hash: this.hash, after })) as unknown as SnapshotPage;
    // Whoever could not look where the view is now may answer from where it was, and be about to find nothing there.
    if (page.ok && (page.generation ?? 0) < this.#reading.generation) throw OlderGeneration();
    if (page.ok) return page;
    this.#isOpen = false;
    throw page.code === 'unknown_view' ? ViewUnknown() : ViewRefused(page.code ?? '', 'no snapshot');
  }

  #live(message: BusMessage): void {
    const { [viewHeaders.sequence]: sequence, [viewHeaders.previous]: previous } = message.headers;
    this.#lastContact = this.#now();
    const { subject } = message;
    const path = subject.slice('live.view.'.length);
    const stored = viewEntryOf(path, message.text(), message.headers[viewHeaders.revision] ?? '');
    const place = { subject, sequence: Number(sequence), previous: Number(previous) };
    const change = this.#reading.live({ ...stored, ...place });
    if (this.#reading.isStale) this.#stale.resolve();
    if (change) this.#tell([change]);
  }

  #tell(changes: readonly ViewChange[]): void {
    for (const { entry, previous } of changes) {
      try {
        this.#options.onChange?.(entry, previous);
      } catch (error) {
        this.#log('warn', 'a change of a view could not be taken in', error);
      }
    }
  }

  #setReady(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#ready.resolve();
    this.#options.onReady?.();
  }

  #missed(): void {
    this.#reading.reconnected();
    this.#stale.resolve();
  }

  #reconnected(): void {
    this.#missed();
    // What failed while the bus was away says nothing about now.
    this.#failures = 0;
    this.#retry.abort();
    this.#retry = new AbortController();
  }

  async #untilStale(): Promise<void> {
    if (this.#reading.isStale || this.#ended.signal.aborted) return;
    this.#stale = Promise.withResolvers();
    const interval = (this.#options.snapshotIntervalMs ?? 60_000) * (0.8 + Math.random() * 0.4);
    const timer = setTimeout(() => this.#stale.resolve(), interval);
    await this.#stale.promise;
    clearTimeout(timer);
  }

  async #waitAfter(cause: unknown, failures: number, since: number): Promise<void> {
    // The usual case of a view that had no reader for a while: open it again at once.
    if (ViewUnknown.is(cause) && failures === 1) return;
    const isEarly = failures <= patience.failures && performance.now() - since < patience.ms;
    const level = NoResponder.is(cause) && isEarly ? 'debug' : 'warn';
    if (!this.#ended.signal.aborted) this.#log(level, 'a view cannot be read yet', cause);
    const ms = Math.min(100 * 2 ** failures, 5000) * (0.5 + Math.random());
    await delay(ms, AbortSignal.any([this.#ended.signal, this.#retry.signal])).catch(() => {});
  }

  #log(level: 'debug' | 'warn', text: string, error: unknown): void {
    this.#bus.connection.telemetry?.log[level](text, { view: this.hash, error: messageOf(error) });
  }

  #now(): Date {
    return (this.#options.clock ?? systemClock)();
  }
}
