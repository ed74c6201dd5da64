import { type AppError, Unexpected } from '@postern/core';
import { Backlog } from './backlog.ts';
import { ProtocolBroken, StreamMisused } from './failures.ts';
import { firstStreamWindow, frameType, mostCredit } from './frame.ts';
import { packAnswer } from './head.ts';
import { Outgoing } from './outgoing.ts';
import type { ReceiveMemory } from './receive-memory.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { Sendable } from './send-order.ts';
import type { Sender } from './sender.ts';
import type { AnswerHead, StreamEvents, TunnelStream } from './stream-contract.ts';
import { tellError } from './told-error.ts';

/** What a stream uses of its tunnel. */
export interface StreamHost {
  readonly sender: Sender;
  readonly memory: ReceiveMemory;
  readonly mostStreamWindow: number;
  report(error: unknown): void;
  /** No frame of it comes or goes any more, and all that came was delivered. */
  over(stream: Stream): void;
}

/** `given up`: we reset it, and frames that the peer sent before it knew may still come. */
type Phase = 'open' | 'given up' | 'over';

const nothing = new Uint8Array(0);

/**
 * One end of a stream, and the rules of the protocol for it. Methods that begin with `take` are called with what the peer
 * sent and throw when it may not.
 */
export class Stream implements TunnelStream, Sendable {
  readonly id: number;
  readonly isOurs: boolean;
  readonly outgoing = new Outgoing();
  isInLine = false;
  behind: Sendable | undefined = undefined;
  readonly #host: StreamHost;
  readonly #window: ReceiveWindow;
  #events: StreamEvents;
  #backlog: Backlog | undefined = undefined;
  #phase: Phase = 'open';
  #isAnswered = false;
  #isPaused = false;
  #isDelivering = false;
  #hasPeerEnded = false;
  #isEndTold = false;

  constructor(host: StreamHost, id: number, { isOurs, events }: { isOurs: boolean; events: StreamEvents }) {
    this.#host = host;
    this.id = id;
    this.isOurs = isOurs;
    this.#events = events;
    this.#window = new ReceiveWindow(firstStreamWindow, host.mostStreamWindow);
  }

  get isEnded(): boolean {
    return this.#phase !== 'open';
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Memory that waits for its reader, in bytes. */
  get heldBytes(): number {
    return this.#backlog?.heldBytes ?? 0;
  }

  write(chunk: Buffer): boolean {
    if (this.#phase !== 'open') return true;
    this.#mayWrite();
    const hasRoom = this.outgoing.add(chunk);
    if (this.outgoing.isReady) this.#host.sender.ready(this);
    return hasRoom;
  }

  end(chunk?: Buffer): void {
    if (this.#phase !== 'open' || (chunk === undefined && this.outgoing.isEnding)) return;
    this.#mayWrite();
    if (chunk !== undefined) this.outgoing.add(chunk);
    this.outgoing.isEnding = true;
    if (this.outgoing.isReady) this.#host.sender.ready(this);
  }

  #mayWrite(): void {
    if (!this.isOurs && !this.#isAnswered) throw StreamMisused('written to before it was answered');
    if (this.outgoing.isEnding) throw StreamMisused('written to after its end');
  }

  answer(head: AnswerHead): void {
    if (this.#phase !== 'open') return;
    if (this.isOurs || this.#isAnswered) throw StreamMisused('answered twice, or by the end that opened it');
    const packed = packAnswer(head);
    this.#isAnswered = true;
    this.#host.sender.sendHead(frameType.answer, this.id, packed);
  }

  reset(error: AppError): void {
    if (this.#phase !== 'open') return;
    if (this.#isWireDone) return this.#finish();
    this.outgoing.discard();
    this.#forgetReceived();
    this.#phase = 'given up';
    this.#host.sender.sendPayload(frameType.reset, this.id, tellError(error));
  }

  /** Resets it for a reason that its owner does not know yet. */
  cut(error: AppError): void {
    if (this.#phase !== 'open') return;
    this.reset(error);
    this.#tellReset(error);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.#isDelivering) this.#deliverBacklog();
  }

  handOver(events: StreamEvents): void {
    this.#events = events;
  }

  drained(): void {
    if (this.#phase === 'open') this.#guarded(() => this.#events.drain());
  }

  endSent(): void {
    this.#finishWhenDone();
  }

  takeAnswer(head: AnswerHead): void {
    if (!this.isOurs) throw ProtocolBroken('an answer to a stream of its own');
    if (this.#isAnswered) throw ProtocolBroken('a second answer to a stream');
    this.#isAnswered = true;
    if (this.#phase === 'open') this.#guarded(() => this.#events.answer?.(head));
  }

  /** A frame of data begins. */
  takeLength(length: number): void {
    if (this.#hasPeerEnded) throw ProtocolBroken('data after the end of a stream');
    if (this.isOurs && !this.#isAnswered) throw ProtocolBroken('data before the answer to a stream');
    if (!this.#window.receive(length)) throw ProtocolBroken('more data than the window of a stream allows');
  }

  takePart(part: Buffer): void {
    if (this.#phase !== 'open') return;
    if (this.#isPaused || this.#backlog !== undefined) return this.#keep(part);
    this.#guarded(() => this.#events.data(part));
    this.#consumed(part.length);
  }

  takeEnd(): void {
    this.#hasPeerEnded = true;
    if (this.#phase === 'given up') {
      // Our end went out before our reset did: to the peer the stream had ended, and it answers no reset.
      if (this.outgoing.isEnded) this.#finish();
    } else if (this.#phase === 'open' && !this.#isPaused && this.#backlog === undefined) this.#tellEnd();
  }

  takeCredit(bytes: number): void {
    if (this.#phase !== 'open') return;
    this.outgoing.credit += bytes;
    if (this.outgoing.credit > mostCredit) throw ProtocolBroken('more credit than a window may have');
    if (this.outgoing.isReady) this.#host.sender.ready(this);
  }

  /** The peer gave the stream up; `undefined` when it only confirms that we did. */
  takeReset(error: AppError | undefined): void {
    if (this.#phase === 'given up') return this.#finish();
    // The peer gave it up before it knew of our end.
    if (this.#isWireDone) return;
    if (error === undefined) throw ProtocolBroken('a confirmation of a reset that was never sent');
    this.#host.sender.sendPayload(frameType.reset, this.id, nothing);
    this.#finish();
    this.#tellReset(error);
  }

  /** The tunnel is gone. Who has received everything already is not disturbed. */
  lose(error: AppError): void {
    if (this.#phase === 'open' && this.#isWireDone) return;
    const isTold = this.#phase !== 'open';
    this.#finish();
    if (!isTold) this.#tellReset(error);
  }

  get #isWireDone(): boolean {
    return this.outgoing.isEnded && this.#hasPeerEnded;
  }

  #keep(part: Buffer): void {
    this.#backlog ??= new Backlog();
    const before = this.#backlog.heldBytes;
    this.#backlog.add(part);
    this.#host.memory.hold(this.#backlog.heldBytes - before);
  }

  #deliverBacklog(): void {
    this.#isDelivering = true;
    while (!this.#isPaused && this.#backlog !== undefined) this.#deliverOldest(this.#backlog);
    this.#isDelivering = false;
    if (!this.#isPaused && this.#phase === 'open' && this.#hasPeerEnded) this.#tellEnd();
  }

  #deliverOldest(backlog: Backlog): void {
    const before = backlog.heldBytes;
    const slab = backlog.take()!;
    this.#host.memory.free(before - backlog.heldBytes);
    if (backlog.isEmpty) this.#backlog = undefined;
    this.#guarded(() => this.#events.data(slab));
    this.#consumed(slab.length);
  }

  #consumed(bytes: number): void {
    if (this.#hasPeerEnded || this.#phase !== 'open') return;
    const credit = this.#window.consume(bytes, this.#host.memory);
    if (credit > 0) this.#host.sender.sendNumber(frameType.credit, this.id, credit);
  }

  #tellEnd(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#guarded(() => this.#events.end());
    this.#finishWhenDone();
  }

  #finishWhenDone(): void {
    if (this.#phase === 'open' && this.outgoing.isEnded && this.#isEndTold) this.#finish();
  }

  #finish(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.outgoing.discard();
    this.#forgetReceived();
    this.#host.over(this);
  }

  #forgetReceived(): void {
    this.#host.memory.free(this.heldBytes);
    this.#backlog = undefined;
    this.#window.close(this.#host.memory);
  }

  #tellReset(error: AppError): void {
    try {
      this.#events.reset(error);
    } catch (thrown) {
      this.#host.report(thrown);
    }
  }

  /** A bug of one stream's owner is the end of that stream, not of the tunnel. */
  #guarded(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      this.#host.report(thrown);
      this.cut(Unexpected.from(thrown));
    }
  }
}
