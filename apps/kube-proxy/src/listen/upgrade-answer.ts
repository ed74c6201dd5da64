import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** The way to answer a request that asks to switch protocols: it is joined or refused, once. */
export interface UpgradeAnswer {
  /** Whether the client's side is gone. */
  readonly isClosed: boolean;
  /** Told once, when the client's side is gone. */
  onClose(listener: () => void): void;
  /** Switches to the protocol. What it returns gives first what the client sent behind its head. Headers are name and value in turn. */
  join(protocol: string, headers: readonly string[]): Duplex;
  /** Answers with a final status instead, and closes the client's side when that is out. */
  refuse(status: number, headers: readonly string[], body: Buffer): void;
  /** Ends the client's side; a refusal on its way still gets there. */
  close(): void;
}

/**
 * An answer on the socket behind a request head of HTTP/1.1. `head` is what the client sent behind its own: the first bytes of
 * the new protocol, or nothing at all where the upgrade is refused.
 */
export class Http1UpgradeAnswer implements UpgradeAnswer {
  readonly #socket: Duplex;
  readonly #head: Buffer;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
    socket.on('error', () => undefined);
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  onClose(listener: () => void): void {
    this.#socket.once('close', listener);
  }

  join(protocol: string, headers: readonly string[]): Duplex {
    this.#socket.write(headOf(101, ['connection', 'Upgrade', 'upgrade', protocol, ...headers]), 'latin1');
    if (this.#head.length > 0) this.#socket.unshift(this.#head);
    return this.#socket;
  }

  refuse(status: number, headers: readonly string[], body: Buffer): void {
    const framing = ['content-length', String(body.length), 'connection', 'close'];
    this.#socket.write(headOf(status, [...headers, ...framing]), 'latin1');
    this.#socket.end(body);
    this.close();
  }

  close(): void {
    const socket = this.#socket;
    if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => socket.destroy());
    else socket.destroy();
  }
}

function headOf(status: number, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${text}\r\n`;
}
