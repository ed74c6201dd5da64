import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

const maxQueuedBytes = 1024 * 1024;
const syncMs = 1000;

/** A file that lines are appended to, in order and without waiting; `settled` tells when the disk is behind. */
export class RecordingFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #failed: (error: unknown) => void;
  readonly #syncs: NodeJS.Timeout;
  #queue: string[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #isDirty = false;
  #hasFailed = false;

  private constructor(path: string, file: FileHandle, failed: (error: unknown) => void) {
    this.#path = path;
    this.#file = file;
    this.#failed = failed;
    this.#syncs = setInterval(() => void this.#sync(), syncMs);
    this.#syncs.unref();
  }

  /** Creates `path` with the suffix `.part` and a first line, and resolves when both are on the disk. */
  static async create(path: string, first: string, failed: (error: unknown) => void): Promise<RecordingFile> {
    const file = await open(`${path}.part`, 'ax', 0o600);
    try {
      await file.write(first);
      await file.sync();
      return new RecordingFile(path, file, failed);
    } catch (error) {
      await file.close();
      await rm(`${path}.part`, { force: true });
      throw error;
    }
  }

  append(line: string): void {
    if (this.#hasFailed) return;
    this.#queue.push(line);
    this.#queuedBytes += line.length;
    this.#writing ??= this.#write();
  }

  /** Undefined while the disk keeps up. */
  settled(): Promise<void> | undefined {
    return this.#queuedBytes > maxQueuedBytes ? this.#writing : undefined;
  }

  /** Takes the suffix away once everything is on the disk: from then on the file is whole. */
  async finish(): Promise<void> {
    clearInterval(this.#syncs);
    await this.#writing;
    if (this.#hasFailed) {
      await this.#file.close();
      return;
    }
    await this.#file.sync();
    await this.#file.close();
    await rename(`${this.#path}.part`, this.#path);
    await using folder = await open(dirname(this.#path));
    await folder.sync();
  }

  async discard(): Promise<void> {
    clearInterval(this.#syncs);
    await this.#writing;
    await this.#file.close();
    await rm(`${this.#path}.part`, { force: true });
  }

  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const text = this.#queue.join('');
        this.#queue = [];
        await this.#file.appendFile(text);
        this.#queuedBytes = this.#queue.reduce((sum, line) => sum + line.length, 0);
        this.#isDirty = true;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#writing = undefined;
  }

  async #sync(): Promise<void> {
    if (!this.#isDirty || this.#hasFailed) return;
    this.#isDirty = false;
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#failed(error);
  }
}
