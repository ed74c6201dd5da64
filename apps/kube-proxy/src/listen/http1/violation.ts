import { STATUS_CODES } from 'node:http';

/** What a client sent is no request that can be read in one way, or did not come in time. Nothing behind it is read. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** Status of the answer to it. */
  readonly status: number;

  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }

  /** The answer as it goes out, the last on its connection. */
  get answer(): string {
    const text = `the request was refused: ${this.message}\n`;
    const type = 'content-type: text/plain; charset=utf-8\r\n';
    const framing = `content-length: ${text.length}\r\nconnection: close\r\n`;
    return `HTTP/1.1 ${this.status} ${STATUS_CODES[this.status]}\r\n${type}${framing}\r\n${text}`;
  }
}

/** The client sent something that is no HTTP/1.1, or could be read in two ways. */
export function malformed(why: string): Violation {
  return new Violation(400, why);
}
