import { mkdir, mkdtemp, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AppError, failure, messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import type { RecordedSession } from './asciicast.ts';
import { Recording, type RecordingLimits } from './recording.ts';

export const RecordingUnavailable = failure(
  'unavailable',
  'kube.recording_unavailable',
  (why: string) =>
    `the session cannot be recorded, and your roles require that it is (record_session: strict): ${why}`,
);

export const SpoolFull = failure(
  'resource_exhausted',
  'kube.recording_spool_full',
  () => 'there is no room for recordings until those that are finished have been uploaded',
);

/** Records sessions. */
export interface Recordings {
  /** Throws RecordingUnavailable. `failed` is told once when the rest of the session cannot be recorded. */
  begin(session: RecordedSession, failed: (error: AppError) => void): Promise<Recording>;
  /** Completes a recording; `how` says how the session ended. */
  end(recording: Recording, how: string): Promise<void>;
  /** Throws a recording away: there was no session. */
  discard(recording: Recording): Promise<void>;
}

export interface SpoolConfig {
  /**
   * Where recordings are written: `<id>.cast.part`, and `<id>.cast` once they are whole. Undefined for a folder that is made
   * among the temporary ones, for a process that keeps nothing.
   */
  readonly folder: string | undefined;
  /** Of all that lies there. */
  readonly maxBytes: number;
  readonly limits?: Partial<RecordingLimits>;
}

const defaultLimits: RecordingLimits = { maxTerminalBytes: 256 * 1024 * 1024, maxOutputBytes: 1024 * 1024 };
const countMs = 5000;

/** Recordings in a folder of this machine, from where finished ones are fetched. It holds no more than it may. */
export class RecordingSpool implements Recordings, AsyncDisposable {
  readonly #config: SpoolConfig;
  readonly #log: Logger;
  readonly #open = new Set<Recording>();
  /** What is just beginning or ending: whoever closes the spool waits for it. */
  readonly #changing = new Set<Promise<unknown>>();
  readonly #counts: NodeJS.Timeout;
  #leftBytes = 0;
  #folder: string | undefined;

  constructor(config: SpoolConfig, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#counts = setInterval(() => void this.#count(), countMs);
    this.#counts.unref();
  }

  /** The folder, which is there when this resolves. */
  async folder(): Promise<string> {
    this.#folder ??= this.#config.folder ?? (await mkdtemp(join(tmpdir(), 'postern-recordings-')));
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return this.#folder;
  }

  begin(session: RecordedSession, failed: (error: AppError) => void): Promise<Recording> {
    return this.#during(this.#begin(session, failed));
  }

  async #begin(session: RecordedSession, failed: (error: AppError) => void): Promise<Recording> {
    const { limits } = this.#config;
    try {
      const folder = await this.folder();
      // A count looks at every file: where there is room by the last one, the next session does not wait for it.
      if (this.#leftBytes <= 0) await this.#count();
      const recording = await Recording.begin({
        path: join(folder, `${session.sessionId}.cast`),
        session,
        limits: { ...defaultLimits, ...limits },
        spend: (bytes) => this.#spend(bytes),
        failed: (error) => {
          this.#log.error('a recording failed', { session: session.sessionId, reason: error.message });
          failed(error);
        },
      });
      this.#open.add(recording);
      return recording;
    } catch (error) {
      this.#log.error('a session cannot be recorded', {
        session: session.sessionId,
        reason: messageOf(error),
      });
      throw RecordingUnavailable.from(
        error,
        SpoolFull.is(error) ? error.message : 'its recording cannot be written',
      );
    }
  }

  /** Completes a recording. What goes wrong is logged: the session is over. */
  async end(recording: Recording, how: string): Promise<void> {
    if (!this.#open.delete(recording)) return;
    try {
      await this.#during(recording.end(how));
    } catch (error) {
      this.#log.error('a recording cannot be completed', { session: recording.id, reason: messageOf(error) });
    }
  }

  async discard(recording: Recording): Promise<void> {
    if (this.#open.delete(recording)) await recording.discard();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#counts);
    await Promise.allSettled(this.#changing);
    await Promise.all([...this.#open].map((recording) => this.end(recording, 'the edge stopped')));
  }

  async #during<T>(change: Promise<T>): Promise<T> {
    this.#changing.add(change);
    try {
      return await change;
    } finally {
      this.#changing.delete(change);
    }
  }

  #spend(bytes: number): void {
    if (this.#leftBytes < bytes) throw SpoolFull();
    this.#leftBytes -= bytes;
  }

  /** Counts anew, since others take finished recordings away. */
  async #count(): Promise<void> {
    if (!this.#folder) return;
    const folder = this.#folder;
    const names = await readdir(folder).catch(() => []);
    const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
    this.#leftBytes = this.#config.maxBytes - sizes.reduce((sum, size) => sum + size, 0);
  }
}

/** Nothing for a file that was taken away meanwhile. */
async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
