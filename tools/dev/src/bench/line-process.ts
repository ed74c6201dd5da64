import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A program of this folder that answers each line on its standard input with one on its standard output. */
export class LineProcess implements AsyncDisposable {
  readonly #file: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** Starts it with a plan as its only argument. */
  constructor(file: string, plan: object) {
    this.#file = file;
    this.#child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(plan)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Tells it to do something and reads, as JSON, what came of it. */
  async do<Told>(order: unknown): Promise<Told> {
    this.#child.stdin!.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#file} ended: see its error above`);
    return JSON.parse(value) as Told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
  }
}
