import { mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { recordingPartBytes, type RecordingProgress } from '@postern/contracts';
import { messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import { closeUnfinished, describeFile, NoRecording, suffixes } from './recorded-file.ts';

/** Calls the service that stores recordings, as this edge. */
export type SendRecording = (call: {
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly body: object;
}) => Promise<RecordingProgress>;

export interface RecordingUploadsDeps {
  readonly folder: string;
  readonly send: SendRecording;
  readonly log: Logger;
  readonly scanMs?: number;
}

const defaultScanMs = 2000;
const maxRetryMs = 60_000;
const maxRounds = 3;
const maxAtOnce = 4;

/**
 * Brings recordings of ended sessions to where they are kept. A file is deleted here when what arrived was stored and found
 * to be the same. An upload that was interrupted goes on where it was.
 */
export class RecordingUploads implements AsyncDisposable {
  readonly #deps: RecordingUploadsDeps;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #retryAt = 0;
  #retryMs = 0;
  #isClosed = false;

  private constructor(deps: RecordingUploadsDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => this.#scan(), deps.scanMs ?? defaultScanMs);
    this.#timer.unref();
  }

  /** Begins before this process records anything: what is unfinished is of an earlier one, and is closed. */
  static async start(deps: RecordingUploadsDeps): Promise<RecordingUploads> {
    await mkdir(deps.folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(deps.folder))
      if (name.endsWith(suffixes.unfinished)) await closeUnfinished(join(deps.folder, name));
    return new RecordingUploads(deps);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  #scan(): void {
    if (this.#running || this.#isClosed || performance.now() < this.#retryAt) return;
    this.#running = this.#uploadAll()
      .then(() => (this.#retryMs = 0))
      .catch((error: unknown) => this.#backOff(error))
      .then(() => (this.#running = undefined));
  }

  async #uploadAll(): Promise<void> {
    const { folder } = this.#deps;
    const names = (await readdir(folder)).filter((name) => name.endsWith(suffixes.whole)).toSorted();
    const next = async (): Promise<void> => {
      for (let name = names.shift(); name !== undefined && !this.#isClosed; name = names.shift())
        await this.#uploadOrPutAside(join(folder, name));
    };
    const ended = await Promise.allSettled(Array.from({ length: maxAtOnce }, next));
    const failed = ended.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #uploadOrPutAside(path: string): Promise<void> {
    try {
      await this.#upload(path);
    } catch (error) {
      if (!NoRecording.is(error)) throw error;
      this.#deps.log.error('a file among the recordings is none, and is put aside', { file: path });
      await rename(path, `${path}.unreadable`);
    }
  }

  async #upload(path: string): Promise<void> {
    const { send, log } = this.#deps;
    const upload = await describeFile(path);
    const place = `/v1/recordings/${upload.session.sessionId}`;
    for (let round = 0; round < maxRounds; round += 1) {
      let { receivedBytes, isStored } = await send({ method: 'POST', path: place, body: upload });
      if (isStored) {
        await unlink(path);
        log.info('a recording is stored', { session: upload.session.sessionId, bytes: upload.bytes });
        return;
      }
      await using file = await open(path, 'r');
      while (receivedBytes < upload.bytes && !this.#isClosed) {
        const { bytesRead, buffer } = await file.read(
          Buffer.alloc(recordingPartBytes),
          0,
          recordingPartBytes,
          receivedBytes,
        );
        const body = { data: buffer.subarray(0, bytesRead).toString('base64') };
        ({ receivedBytes, isStored } = await send({
          method: 'PUT',
          path: `${place}/parts/${receivedBytes}`,
          body,
        }));
      }
    }
  }

  #backOff(error: unknown): void {
    const { log, scanMs = defaultScanMs } = this.#deps;
    this.#retryMs = Math.min(Math.max(2 * this.#retryMs, scanMs), maxRetryMs);
    this.#retryAt = performance.now() + this.#retryMs;
    log.warn('a recording cannot be stored yet', { reason: messageOf(error), retryMs: this.#retryMs });
  }
}
