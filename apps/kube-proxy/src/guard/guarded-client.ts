import type { Duplex } from 'node:stream';
import type { AppError } from '@postern/core';
import type { UpgradeClient } from '../forward/upgrade.ts';
import type { UpgradeAnswer } from '../listen/upgrade-answer.ts';
import { ClientLeg, type LegHooks } from './client-leg.ts';
import type { StreamWatch } from './stream-watch.ts';

export interface GuardedClientOptions {
  readonly answer: UpgradeAnswer;
  /** What reads along, for the headers that the client is told of the switch. */
  readonly watch: (headers: readonly string[]) => StreamWatch;
  /** Resolves when more may be passed on to the client; undefined when that is now. */
  readonly settled?: LegHooks['settled'];
  /** Told when the stream is to be ended for what was read on it. */
  readonly refused: LegHooks['refused'];
}

const lingerMs = 30_000;

/** A client whose stream is read along from the switch on. */
export class GuardedClient implements UpgradeClient {
  readonly #options: GuardedClientOptions;
  #leg: ClientLeg | undefined;

  constructor(options: GuardedClientOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#options.answer.isClosed;
  }

  onClose(listener: () => void): void {
    this.#options.answer.onClose(listener);
  }

  join(protocol: string, headers: readonly string[]): Duplex {
    const { answer, watch, settled = () => undefined, refused } = this.#options;
    this.#leg = new ClientLeg(answer.join(protocol, headers), watch(headers), { settled, refused });
    return this.#leg;
  }

  refuse(status: number, headers: readonly string[], body: Buffer): void {
    this.#options.answer.refuse(status, headers, body);
  }

  cut(error: AppError): void {
    this.#leg?.cut(error);
  }

  /** What was written and is not out yet still gets out, if the client takes it. */
  close(): void {
    const leg = this.#leg;
    const { answer } = this.#options;
    if (!leg?.writableEnded || leg.writableFinished || leg.destroyed) {
      answer.close();
      return;
    }
    leg.once('finish', () => answer.close());
    setTimeout(() => leg.destroy(), lingerMs).unref();
  }
}
