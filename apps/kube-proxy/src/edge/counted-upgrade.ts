import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { UpgradeAnswer } from '../listen/upgrade-answer.ts';
import type { Traffic } from '../forward/traffic.ts';

/** A client that switches protocols, with what passed since it did. */
export class CountedUpgrade implements UpgradeAnswer {
  readonly #answer: UpgradeAnswer;
  #socket: Pick<Socket, 'bytesRead' | 'bytesWritten'> | undefined;
  #before: Traffic = { bytesIn: 0, bytesOut: 0 };

  constructor(answer: UpgradeAnswer) {
    this.#answer = answer;
  }

  get isClosed(): boolean {
    return this.#answer.isClosed;
  }

  /** Content that passed since the switch: a TLS socket counts what it carries. */
  get traffic(): Traffic {
    const { bytesRead: bytesIn, bytesWritten: bytesOut } = this.#socket ?? { bytesRead: 0, bytesWritten: 0 };
    return { bytesIn: bytesIn - this.#before.bytesIn, bytesOut: bytesOut - this.#before.bytesOut };
  }

  onClose(listener: () => void): void {
    this.#answer.onClose(listener);
  }

  join(protocol: string, headers: readonly string[]): Duplex {
    const stream = this.#answer.join(protocol, headers);
    if (isCounting(stream)) {
      this.#socket = stream;
      this.#before = { bytesIn: stream.bytesRead - stream.readableLength, bytesOut: stream.bytesWritten };
    }
    return stream;
  }

  refuse(status: number, headers: readonly string[], body: Buffer): void {
    this.#answer.refuse(status, headers, body);
  }

  close(): void {
    this.#answer.close();
  }
}

function isCounting(stream: Duplex): stream is Socket {
  return 'bytesRead' in stream && 'bytesWritten' in stream;
}
