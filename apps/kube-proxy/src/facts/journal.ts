import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import { FrameBuffer } from './frame-buffer.ts';
import { type Frame, frameRoom, idOf, maxTextBytes, readFrames } from './frames.ts';
import { recoverSegments, segmentName } from './recover.ts';
import { Segment } from './segment.ts';

/** How a journal is kept. */
export interface JournalOptions {
  readonly folder: string;
  /** Bytes that its files may take together. */
  readonly maxBytes: number;
  /** How often what was written is synced to the disk, in milliseconds; 0 for before anybody is told that it was written. */
  readonly syncMs: number;
  readonly segmentBytes?: number;
  /** Promises of streams that stay open are carried on when files of little else than them take more than this. */
  readonly carryAboveBytes?: number;
}

export interface JournalDeps {
  readonly log: Logger;
}

const defaults = { segmentBytes: 4 * 1024 * 1024, carryAboveBytes: 64 * 1024 * 1024 };
const retryMs = 500;
/** A file all of whose facts were acknowledged is let go above this size, rather than told again after a crash. */
const idleBytes = 1024 * 1024;
const promiseBytes = 1024;

/**
 * An append-only log on local disk, in files of a few megabytes. What is appended in one turn of the event loop is written
 * together at its end, to the page cache, which outlives this process; files are synced every `syncMs`. A file goes when
 * all its facts were acknowledged and all its promises kept.
 */
export class Journal implements AsyncDisposable {
  readonly #options: Required<JournalOptions>;
  readonly #log: Logger;
  readonly #segments: Segment[];
  /** Where the promise of an id is, until something else is said under it. */
  readonly #promised = new Map<string, Segment>();
  readonly #buffer = new FrameBuffer();
  #waiting: PromiseWithResolvers<void>[] = [];
  #flush: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #usedBytes: number;
  #number: number;
  #failure: unknown;

  /** Opens the journal of a folder. Promises that a crash left open are facts from now on. */
  static async open(options: JournalOptions, { log }: JournalDeps): Promise<Journal> {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const found = await recoverSegments(options.folder, log);
    const journal = new Journal({ ...defaults, ...options }, log, found.segments);
    const kept = found.broken.filter((text) => journal.append({ type: 'fact', text }) !== undefined);
    journal.flush();
    // While they cannot be written, the files that hold them stay for the next start.
    if (kept.length === found.broken.length && journal.#failure === undefined)
      for (const segment of found.segments) journal.#removeIfSettled(segment);
    return journal;
  }

  private constructor(options: Required<JournalOptions>, log: Logger, segments: Segment[]) {
    this.#options = options;
    this.#log = log;
    this.#segments = segments;
    this.#usedBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#number = Math.max(0, ...segments.map(({ path }) => Number.parseInt(path.slice(-20), 10)));
    this.#begin(segments.length === 0);
  }

  /** Bytes that its files take. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whether it takes no more, because of its bound or because the disk does not. */
  get isFull(): boolean {
    return this.#failure !== undefined || this.#usedBytes >= this.#options.maxBytes;
  }

  /** How many promises are open. */
  get promises(): number {
    return this.#promised.size;
  }

  /**
   * Takes a frame and tells where it will be; undefined where there is no room for it. It is written when `written` says so.
   * A fact keeps the promise that was made under its id.
   */
  append(frame: Frame): Segment | undefined {
    if (frameRoom(frame.text) > maxTextBytes) return undefined;
    if (!this.#buffer.hasRoomFor(frame) && this.#failure === undefined) this.flush();
    const segment = this.#current;
    if (!this.#buffer.add(frame)) return undefined;
    this.#flush ??= setImmediate(() => this.flush());
    const id = idOf(frame.text);
    if (frame.type === 'promise') {
      segment.promises += 1;
      this.#promised.set(id, segment);
    } else {
      segment.facts += 1;
      if (this.#promised.size > 0) this.#keepPromise(id);
    }
    return segment;
  }

  /** Settles when everything appended so far is in a file, and fails when it cannot be. */
  written(): Promise<void> {
    if (this.#buffer.used === 0) return Promise.resolve();
    const waiter = Promise.withResolvers<void>();
    this.#waiting.push(waiter);
    return waiter.promise;
  }

  /** Writes what was appended. */
  flush(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    if (this.#buffer.used === 0) return;
    const waiting = this.#waiting.splice(0);
    try {
      this.#current.append(this.#buffer.content);
    } catch (error) {
      this.#failed(error, waiting);
      return;
    }
    if (this.#failure !== undefined) this.#log.info('the journal can be written again');
    this.#failure = undefined;
    this.#usedBytes += this.#buffer.used;
    this.#buffer.clear();
    this.#answer(waiting);
    if (this.#current.bytes >= this.#options.segmentBytes) this.roll(this.#current.isQueued);
  }

  /** Goes on in a new file, whose facts are queued for publishing, or not. */
  roll(isQueued: boolean): void {
    if (this.#buffer.used > 0) this.flush();
    const full = this.#current;
    if (this.#failure !== undefined) return;
    if (full.bytes === 0) {
      full.isQueued = isQueued;
      return;
    }
    try {
      this.#begin(isQueued);
    } catch (error) {
      this.#log.warn('the journal cannot go on in a new file', { reason: messageOf(error) });
      return;
    }
    void full.close();
    this.#removeIfSettled(full);
    this.#carryOldest();
  }

  /** A fact of this file was acknowledged. */
  release(segment: Segment): void {
    segment.facts -= 1;
    if (!segment.isSettled) return;
    if (segment === this.#current && segment.bytes > idleBytes) this.roll(segment.isQueued);
    else this.#removeIfSettled(segment);
  }

  /** The oldest file whose facts are not queued for publishing. */
  get oldestUnqueued(): Segment | undefined {
    return this.#segments.find(({ isQueued }) => !isQueued);
  }

  /** Whether facts appended now must be queued. */
  get isQueuing(): boolean {
    return this.#current.isQueued;
  }

  /** The facts of a file, as JSON. */
  async readFacts({ path, bytes }: Segment): Promise<string[]> {
    const { frames } = readFrames((await readFile(path)).subarray(0, bytes));
    return frames.filter(({ type }) => type === 'fact').map(({ text }) => text);
  }

  /** Whether the file is the one that is written to. */
  isCurrent(segment: Segment): boolean {
    return segment === this.#current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.flush();
    clearTimeout(this.#retry);
    clearTimeout(this.#syncTimer);
    const last = this.#current;
    await last
      .sync()
      .catch((error: unknown) =>
        this.#log.error('the journal could not be synced', { reason: messageOf(error) }),
      );
    await last.close();
    this.#removeIfSettled(last);
  }

  get #current(): Segment {
    return this.#segments.at(-1)!;
  }

  #begin(isQueued: boolean): void {
    this.#number += 1;
    const segment = new Segment(join(this.#options.folder, segmentName(this.#number)), { isQueued });
    segment.create();
    this.#segments.push(segment);
  }

  #keepPromise(id: string): void {
    const segment = this.#promised.get(id);
    if (!segment) return;
    this.#promised.delete(id);
    segment.promises -= 1;
    // Only once the fact is written too: until then the promise is all that a crash would leave.
    if (segment.isSettled)
      void this.written().then(
        () => this.#removeIfSettled(segment),
        () => undefined,
      );
  }

  #removeIfSettled(segment: Segment): void {
    const at = this.#segments.indexOf(segment);
    if (at < 0 || segment.isOpen || !segment.isSettled) return;
    this.#segments.splice(at, 1);
    this.#usedBytes -= segment.bytes;
    segment.remove();
  }

  #failed(error: unknown, waiting: readonly PromiseWithResolvers<void>[]): void {
    if (this.#failure === undefined)
      this.#log.error('the journal cannot be written', {
        reason: messageOf(error),
        waitingBytes: this.#buffer.used,
      });
    this.#failure = error;
    for (const { reject } of waiting) reject(error);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      void this.#tryAgain();
    }, retryMs).unref();
  }

  async #tryAgain(): Promise<void> {
    this.flush();
    if (this.#failure === undefined) return;
    // Nothing waits to be written: it was a sync that failed.
    if (this.#buffer.used > 0) return;
    await this.#current.sync().then(
      () => (this.#failure = undefined),
      (error: unknown) => this.#failed(error, []),
    );
  }

  /** Tells those who wait that it is written, after a sync where every write needs one. */
  #answer(waiting: readonly PromiseWithResolvers<void>[]): void {
    const { syncMs } = this.#options;
    if (syncMs === 0) {
      if (waiting.length === 0) return;
      this.#current.sync().then(
        () => waiting.forEach(({ resolve }) => resolve()),
        (error: unknown) => waiting.forEach(({ reject }) => reject(error)),
      );
      return;
    }
    for (const { resolve } of waiting) resolve();
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      this.#current.sync().catch((error: unknown) => this.#failed(error, []));
    }, syncMs).unref();
  }

  /** A stream that stays open for days would keep the file of its promise, and all that was written after it, for days. */
  #carryOldest(): void {
    const [oldest] = this.#segments;
    if (!oldest || oldest.isOpen || oldest.facts > 0 || oldest.promises === 0) return;
    if (this.#usedBytes < this.#options.carryAboveBytes + 3 * promiseBytes * this.#promised.size) return;
    void this.#carry(oldest).catch((error: unknown) =>
      this.#log.warn('a file of the journal cannot be read', { file: oldest.path, reason: messageOf(error) }),
    );
  }

  async #carry(from: Segment): Promise<void> {
    const { frames } = readFrames((await readFile(from.path)).subarray(0, from.bytes));
    for (const { type, text } of frames) {
      const id = idOf(text);
      if (type !== 'promise' || this.#promised.get(id) !== from) continue;
      if (!this.append({ type, text })) return;
      from.promises -= 1;
    }
    await this.written();
    this.#removeIfSettled(from);
  }
}
