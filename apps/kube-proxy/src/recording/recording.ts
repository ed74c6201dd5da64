import type { AppError } from '@postern/core';
import { messageOf } from '@postern/core';
import { eventLine, headerLine, RecordingFailed, type RecordedSession, TerminalSizes } from './asciicast.ts';
import { RecordingFile } from './recording-file.ts';

/** How much of a session is kept. */
export interface RecordingLimits {
  /** Of a terminal; a session that is required to be recorded ends there. */
  readonly maxTerminalBytes: number;
  /** Of the output of a command without a terminal, which may be a copied file; what follows is only counted. */
  readonly maxOutputBytes: number;
}

export interface RecordingOptions {
  readonly path: string;
  readonly session: RecordedSession;
  readonly limits: RecordingLimits;
  /** Takes bytes out of what the spool may still hold. Throws when there are none. */
  readonly spend: (bytes: number) => void;
  /** Told once when the rest of the session cannot be recorded. */
  readonly failed: (error: AppError) => void;
}

type Output = 'stdout' | 'stderr';

/** A session that is being recorded: what it prints, and the size of its terminal. What is typed is not kept. */
export class Recording {
  readonly #options: RecordingOptions;
  readonly #file: RecordingFile;
  readonly #startedMs = performance.now();
  readonly #sizes = new TerminalSizes();
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  #output: Output = 'stdout';
  #keptBytes = 0;
  #droppedBytes = 0;
  #hasFailed = false;

  private constructor(options: RecordingOptions, file: RecordingFile) {
    this.#options = options;
    this.#file = file;
  }

  /** Resolves when the head of the recording is on the disk. */
  static async begin(options: RecordingOptions): Promise<Recording> {
    const head = headerLine(options.session);
    let recording: Recording | undefined;
    options.spend(head.length);
    const file = await RecordingFile.create(options.path, head, (error) => recording?.fail(messageOf(error)));
    recording = new Recording(options, file);
    return recording;
  }

  get id(): string {
    return this.#options.session.sessionId;
  }

  /** Undefined while the disk keeps up with what is recorded. */
  settled(): Promise<void> | undefined {
    return this.#file.settled();
  }

  output(from: Output, chunk: Buffer): void {
    const { limits, session } = this.#options;
    if (this.#hasFailed) return;
    const limit = session.isTty ? limits.maxTerminalBytes : limits.maxOutputBytes;
    const kept = chunk.subarray(0, Math.max(0, limit - this.#keptBytes));
    this.#keptBytes += kept.length;
    this.#droppedBytes += chunk.length - kept.length;
    if (kept.length > 0) this.#print(from, kept);
    if (session.isTty && this.#droppedBytes > 0) this.fail('it has become too long');
  }

  resize(chunk: Buffer): void {
    for (const size of this.#sizes.read(chunk)) this.#event('r', size);
  }

  /** Completes the recording. `how` says how the session ended. */
  async end(how: string): Promise<void> {
    for (const output of ['stdout', 'stderr'] as const) {
      const rest = this.#decoders[output].decode();
      if (rest !== '') this.#event('o', rest);
    }
    if (this.#droppedBytes > 0)
      this.#event('m', `${this.#droppedBytes} more bytes of output were not recorded`);
    this.#event('m', how);
    await this.#file.finish();
  }

  /** There was no session after all. */
  async discard(): Promise<void> {
    await this.#file.discard();
  }

  fail(why: string): void {
    if (this.#hasFailed) return;
    this.#event('m', `the recording ends here: ${why}`);
    this.#hasFailed = true;
    this.#options.failed(RecordingFailed(why));
  }

  #print(from: Output, chunk: Buffer): void {
    if (from !== this.#output) this.#event('m', from);
    this.#output = from;
    const text = this.#decoders[from].decode(chunk, { stream: true });
    if (text !== '') this.#event('o', text);
  }

  #event(code: 'o' | 'r' | 'm', data: string): void {
    if (this.#hasFailed) return;
    const line = eventLine((performance.now() - this.#startedMs) / 1000, code, data);
    try {
      this.#options.spend(line.length);
    } catch (error) {
      this.#hasFailed = true;
      this.#options.failed(RecordingFailed(messageOf(error)));
      return;
    }
    this.#file.append(line);
  }
}
