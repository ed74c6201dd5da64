import { close, constants, fdatasync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';

const sync = promisify(fdatasync);
const closeFile = promisify(close);

/** One file of the journal, and what in it is still waited for. */
export class Segment {
  readonly path: string;
  /** Bytes of whole frames. */
  bytes: number;
  /** Facts that nobody has acknowledged yet. */
  facts = 0;
  /** Promises of which nothing else was said yet. */
  promises = 0;
  /** Whether its facts are queued to be published; otherwise they are only here. */
  isQueued: boolean;
  #fd: number | undefined;
  #syncing: Promise<unknown> = Promise.resolve();

  constructor(path: string, { bytes = 0, isQueued }: { bytes?: number; isQueued: boolean }) {
    this.path = path;
    this.bytes = bytes;
    this.isQueued = isQueued;
  }

  /** Makes the file. It must not exist: two processes on one directory would otherwise write over each other. */
  create(): void {
    this.#fd = openSync(this.path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  }

  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  /** Whether nothing in it is waited for any more. */
  get isSettled(): boolean {
    return this.facts === 0 && this.promises === 0;
  }

  /** Writes frames behind those that there are, all or none. */
  append(frames: Buffer): void {
    const fd = this.#fd!;
    try {
      for (let written = 0; written < frames.length;)
        written += writeSync(fd, frames, written, frames.length - written, this.bytes + written);
    } catch (error) {
      ftruncateSync(fd, this.bytes);
      throw error;
    }
    this.bytes += frames.length;
  }

  /** Until this has come back, what was written may be lost when the machine stops; never when only the process does. */
  async sync(): Promise<void> {
    const fd = this.#fd;
    if (fd === undefined) return;
    const synced = this.#syncing.then(() => sync(fd));
    this.#syncing = synced.catch(() => undefined);
    await synced;
  }

  /** Takes no more; the file is synced once more and closed behind the back of whoever calls this. */
  async close(): Promise<void> {
    const fd = this.#fd;
    if (fd === undefined) return;
    // Nobody needs the content of a file that goes anyway.
    const last = this.isSettled ? this.#syncing : this.sync();
    this.#fd = undefined;
    await last.catch(() => undefined);
    await closeFile(fd);
  }

  remove(): void {
    unlinkSync(this.path);
  }
}
