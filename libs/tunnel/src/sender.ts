import type { Duplex } from 'node:stream';
import { firstTunnelWindow, frameType, type FrameType, mostDataBytes } from './frame.ts';
import type { PackedHead } from './head.ts';
import { batchBytes, OutBuffer, release } from './out-buffer.ts';
import { type Sendable, SendOrder } from './send-order.ts';

/**
 * Everything that goes out. Frames of one turn of the event loop leave in one write; there is one write at a time, so that
 * what is waiting is still in our order and not in the socket's. Frames other than data go first; data goes as credit and the
 * order allow.
 */
export class Sender {
  readonly #socket: Duplex;
  readonly #mostQueued: number;
  readonly #stalled: () => void;
  readonly #out = new OutBuffer();
  readonly #order = new SendOrder();
  readonly #flushSoon = () => this.#flush();
  #drained: Sendable[] = [];
  #credit = firstTunnelWindow;
  #isScheduled = false;
  #isWriting = false;
  #isClosing = false;

  /** `stalled` is called when more than `mostQueued` bytes of frames other than data wait for the socket. */
  constructor(socket: Duplex, mostQueued: number, stalled: () => void) {
    this.#socket = socket;
    this.#mostQueued = mostQueued;
    this.#stalled = stalled;
  }

  /** Whether the peer takes so little that no new work should be given to it. */
  get isCongested(): boolean {
    return this.#out.length > this.#mostQueued / 4;
  }

  sendHead(type: FrameType, stream: number, head: PackedHead): void {
    if (this.#isClosing) return;
    this.#out.head(type, stream, head);
    this.#queued();
  }

  sendNumber(type: FrameType, stream: number, value: number): void {
    if (this.#isClosing) return;
    this.#out.number(type, stream, value);
    this.#queued();
  }

  sendPayload(type: FrameType, stream: number, payload: Uint8Array): void {
    if (this.#isClosing) return;
    this.#out.payload(type, stream, payload);
    this.#queued();
  }

  /** The stream has data to send, or its end. */
  ready(stream: Sendable): void {
    this.#order.join(stream);
    this.#schedule();
  }

  /** The peer takes so much more on the tunnel; returns what it takes now. */
  addCredit(bytes: number): number {
    this.#credit += bytes;
    this.#schedule();
    return this.#credit;
  }

  /** Sends CLOSE behind what waits, data left out, and ends the socket. */
  close(payload: Uint8Array): void {
    this.sendPayload(frameType.close, 0, payload);
    this.#isClosing = true;
  }

  #queued(): void {
    if (this.#out.length > this.#mostQueued) setImmediate(this.#stalled);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isWriting) return;
    this.#isScheduled = true;
    setImmediate(this.#flushSoon);
  }

  #flush(): void {
    this.#isScheduled = false;
    if (this.#isWriting || this.#socket.destroyed) return;
    this.#fill();
    if (this.#out.length > 0) this.#write(this.#out.take());
    if (this.#isClosing) this.#socket.end();
    else if (this.#drained.length > 0) this.#tellDrained();
  }

  #write(batch: Buffer): void {
    this.#isWriting = true;
    this.#socket.write(batch, () => {
      release(batch);
      this.#isWriting = false;
      if (!this.#socket.writableEnded) this.#flush();
    });
  }

  #fill(): void {
    while (this.#credit > 0 && this.#out.length < batchBytes && !this.#isClosing) {
      const stream = this.#order.next();
      if (stream === undefined) return;
      if (stream.outgoing.isReady) this.#sendData(stream);
    }
  }

  #sendData(stream: Sendable): void {
    const { outgoing } = stream;
    const length = Math.min(outgoing.waiting, outgoing.credit, this.#credit, mostDataBytes);
    const isLast = outgoing.isEnding && length === outgoing.waiting;
    const { target, at } = this.#out.data(stream.id, length, isLast);
    outgoing.take(target, at, length);
    this.#credit -= length;
    if (outgoing.hasRoomAgain()) this.#drained.push(stream);
    if (isLast) {
      outgoing.isEnded = true;
      stream.endSent();
    } else if (outgoing.isReady) this.#order.rejoin(stream);
  }

  #tellDrained(): void {
    const drained = this.#drained;
    this.#drained = [];
    for (const stream of drained) stream.drained();
  }
}
