import type { Duplex } from 'node:stream';
import { duplexOf, type TunnelStream } from '@postern/tunnel';
import type { UpgradeAnswer } from '../../listen/upgrade-answer.ts';
import { AnswerCut } from './tunnel-answer.ts';

/** The answer to an upgrade that came over a tunnel. */
export class TunnelUpgradeAnswer implements UpgradeAnswer {
  readonly #stream: TunnelStream;
  readonly #listeners: (() => void)[] = [];
  #joined: Duplex | undefined;
  #isRefused = false;
  #isClosed = false;

  constructor(stream: TunnelStream) {
    this.#stream = stream;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  onClose(listener: () => void): void {
    if (this.#isClosed) listener();
    else this.#listeners.push(listener);
  }

  join(_protocol: string, headers: readonly string[]): Duplex {
    this.#stream.answer({ status: 101, headers });
    const joined = duplexOf(this.#stream);
    this.#joined = joined;
    joined.on('error', () => undefined);
    joined.once('close', () => this.closed());
    return joined;
  }

  refuse(status: number, headers: readonly string[], body: Buffer): void {
    if (this.#isClosed) return;
    this.#isRefused = true;
    this.#stream.answer({ status, headers: [...headers, 'content-length', String(body.length)] });
    this.#stream.end(body);
    this.closed();
  }

  close(): void {
    if (this.#joined) this.#joined.destroy();
    else if (!this.#isRefused) this.#stream.reset(AnswerCut());
    this.closed();
  }

  /** The other side is gone. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener();
  }
}
