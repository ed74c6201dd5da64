import { Writable } from 'node:stream';
import type { Answer } from './exchange.ts';

const maxBytes = 4 * 1024 * 1024;

/**
 * An answer that is kept until it is whole and then sent on, its body written anew where the request succeeded. It is for small
 * answers of which something has to be taken out; one that is larger than four megabytes is cut.
 */
export class RewrittenAnswer implements Answer {
  readonly sink: Writable;
  status = 0;
  extra: readonly string[] = [];
  readonly #inner: Answer;
  readonly #rewrite: (body: string) => string;
  readonly #chunks: Buffer[] = [];
  #headers: readonly string[] = [];
  #size = 0;

  constructor(inner: Answer, rewrite: (body: string) => string) {
    this.#inner = inner;
    this.#rewrite = rewrite;
    this.sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#size += chunk.length;
        this.#chunks.push(chunk);
        done(this.#size > maxBytes ? new RangeError('the answer is too large to be read') : null);
      },
      final: (done) => {
        this.#send();
        done();
      },
    });
    this.sink.on('error', () => inner.abort());
    inner.sink.once('close', () => this.sink.destroy());
  }

  begin(status: number, headers: readonly string[]): void {
    this.status = status;
    this.#headers = headers;
  }

  abort(): void {
    this.#inner.abort();
  }

  #send(): void {
    const body = Buffer.concat(this.#chunks);
    const isDone = this.status >= 200 && this.status < 300;
    const bytes = isDone ? Buffer.from(this.#rewrite(body.toString('utf8'))) : body;
    const headers = this.#headers.filter((_, at) => this.#headers[at - (at % 2)] !== 'content-length');
    this.#inner.begin(this.status, [...headers, 'content-length', String(bytes.length)]);
    this.#inner.sink.end(bytes);
  }
}
