import { Duplex } from 'node:stream';

/** One end of a connection in memory. What is written is copied to the other end in pieces of the given size. */
export class MemorySocket extends Duplex {
  /** Bytes of one piece; 0 for as written. */
  pieceBytes = 0;
  /** While it is stalled nothing that is written arrives, as on a link that drops everything. */
  isStalled = false;
  /** Everything that was written. */
  readonly written: Buffer[] = [];
  other!: MemorySocket;

  constructor() {
    // As sockets of TLS are: an end is answered by an end.
    super({ allowHalfOpen: false });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    const copy = Buffer.from(chunk);
    this.written.push(copy);
    if (this.isStalled) return;
    setImmediate(() => {
      const size = this.pieceBytes || copy.length;
      for (let at = 0; at < copy.length; at += size) this.other.push(copy.subarray(at, at + size));
      done();
    });
  }

  override _final(done: () => void): void {
    setImmediate(() => this.other.push(null));
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.isStalled) setImmediate(() => this.other.destroy());
    done(error);
  }
}

/** Both ends of a connection in memory. */
export function socketPair(pieceBytes = 0): [MemorySocket, MemorySocket] {
  const [a, b] = [new MemorySocket(), new MemorySocket()];
  [a.other, b.other] = [b, a];
  [a.pieceBytes, b.pieceBytes] = [pieceBytes, pieceBytes];
  return [a, b];
}
