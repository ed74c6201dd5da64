import { PassThrough } from 'node:stream';
import type { Answer } from '../../src/listen/exchange.ts';

/** An answer as a client would have got it. */
export interface Collected {
  readonly status: number;
  readonly headers: readonly string[];
  readonly text: string;
}

/** An answer that is kept instead of being sent. */
export class CollectedAnswer implements Answer {
  readonly sink = new PassThrough();
  readonly whole: Promise<Collected>;
  status = 0;
  extra: readonly string[] = [];
  #headers: readonly string[] = [];

  constructor() {
    const chunks: Buffer[] = [];
    this.sink.on('data', (chunk: Buffer) => chunks.push(chunk));
    this.whole = new Promise((resolve, reject) => {
      this.sink.once('error', reject);
      this.sink.once('end', () =>
        resolve({ status: this.status, headers: this.#headers, text: Buffer.concat(chunks).toString() }),
      );
    });
    this.whole.catch(() => undefined);
  }

  begin(status: number, headers: readonly string[]): void {
    this.status = status;
    this.#headers = headers;
  }

  abort(): void {
    this.sink.destroy(new Error('the answer was cut'));
  }
}
