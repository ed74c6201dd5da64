import { failure } from '@postern/core';
import type { TunnelStream } from '@postern/tunnel';
import type { Answer, Sink } from '../../listen/exchange.ts';

/** Told to the edge when an answer ends before it is whole. */
export const AnswerCut = failure(
  'unavailable',
  'kube.answer_cut',
  () => 'the answer ended before it was whole; try again',
);

/** The answer to a request that came over a tunnel, written to its stream without a Node stream in between. */
export class TunnelAnswer implements Answer, Sink {
  status = 0;
  extra: readonly string[] = [];
  destroyed = false;
  writableFinished = false;
  readonly #stream: TunnelStream;
  #whenClosed: (() => void) | undefined;
  #whenDrained: (() => void) | undefined;

  constructor(stream: TunnelStream) {
    this.#stream = stream;
  }

  get sink(): Sink {
    return this;
  }

  begin(status: number, headers: readonly string[]): void {
    this.status = status;
    this.#stream.answer({ status, headers: headers.concat(this.extra) });
  }

  abort(): void {
    this.closed();
    this.#stream.reset(AnswerCut());
  }

  write(chunk: Buffer): boolean {
    return this.destroyed || this.#stream.write(chunk);
  }

  end(last?: Buffer | string): void {
    if (this.destroyed || this.writableFinished) return;
    this.writableFinished = true;
    this.#stream.end(typeof last === 'string' ? Buffer.from(last) : last);
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    if (event === 'close') this.#whenClosed = listener;
    else this.#whenDrained = listener;
  }

  /** There is room again. */
  drained(): void {
    const told = this.#whenDrained;
    this.#whenDrained = undefined;
    told?.();
  }

  /** Nobody waits for the answer any more. */
  closed(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#whenClosed?.();
  }
}
