import type { AppError } from '@postern/core';
import { Budget } from './budget.ts';
import { ProtocolBroken } from './failures.ts';
import { firstTunnelWindow, frameType, leastCredit, mostCredit } from './frame.ts';
import type { FrameSink } from './frame-reader.ts';
import { readAnswer, readOpen } from './head.ts';
import type { TunnelLimits } from './limits.ts';
import { ReceiveWindow, type WindowRules } from './receive-window.ts';
import type { Sender } from './sender.ts';
import type { OpenHead } from './stream-contract.ts';
import type { Stream } from './stream.ts';
import type { StreamTable } from './stream-table.ts';
import { readError } from './told-error.ts';

/** What the receiver tells its tunnel. */
export interface ReceiverHost {
  readonly streams: StreamTable;
  readonly sender: Sender;
  opened(id: number, head: OpenHead, hasRoom: boolean): void;
  received(): void;
  pongCame(number: number): void;
  drainAsked(): void;
  drainConfirmed(): void;
  peerClosed(error: AppError | undefined): void;
}

// Data frames below this cost more to handle than to send. An honest end sends one of a stream in a turn of its event loop.
const smallDataBytes = 32;

/**
 * Everything that comes in, and the rules of the protocol for the tunnel as a whole. What breaks one is thrown. Frames that an
 * honest end sends rarely, and that cost nothing to send, have budgets far above any honest use.
 */
export class Receiver implements FrameSink {
  readonly #host: ReceiverHost;
  readonly #window: ReceiveWindow;
  readonly #rules: WindowRules;
  readonly #pings: Budget;
  readonly #trifles: Budget;
  readonly #hastyResets: Budget;
  #current: Stream | undefined;
  #isLast = false;

  constructor(host: ReceiverHost, limits: TunnelLimits, clock: Pick<WindowRules, 'now' | 'shortestMs'>) {
    this.#host = host;
    this.#window = new ReceiveWindow(firstTunnelWindow, limits.tunnelWindow);
    // What came is in the memory of streams or delivered: the window of the tunnel bounds what is under way, and takes no memory.
    this.#rules = {
      now: () => clock.now(),
      get shortestMs() {
        return clock.shortestMs;
      },
      grant: () => true,
      giveBack: () => undefined,
    };
    const now = () => clock.now();
    this.#pings = new Budget(20, 2, now);
    this.#trifles = new Budget(100_000, 20_000, now);
    this.#hastyResets = new Budget(limits.streams, limits.streams / 10, now);
  }

  dataBegins(id: number, length: number, isLast: boolean): void {
    const stream = this.#host.streams.find(id);
    if (stream === undefined) throw ProtocolBroken('data of a stream that is over');
    if (length < smallDataBytes && !isLast) this.#trifle();
    // What comes is dealt with at once and its credit told, so a peer cannot overdraw this window: it bounds what an honest one has
    // under way. Memory is bounded by the windows of streams and by what paused readers may hold.
    this.#window.receive(length);
    stream.takeLength(length);
    this.#current = stream;
    this.#isLast = isLast;
  }

  dataPart(part: Buffer): void {
    this.#current!.takePart(part);
    const credit = this.#window.consume(part.length, this.#rules);
    if (credit > 0) this.#host.sender.sendNumber(frameType.credit, 0, credit);
    this.#host.received();
  }

  dataEnds(): void {
    const stream = this.#current!;
    this.#current = undefined;
    if (this.#isLast) stream.takeEnd();
  }

  frame(type: number, id: number, payload: Buffer): void {
    if (type === frameType.credit) return this.#credit(id, payload.readUInt32BE(0));
    const isOfTunnel = type >= frameType.ping;
    if (isOfTunnel !== (id === 0)) throw ProtocolBroken('a frame of a type that its stream cannot have');
    if (isOfTunnel) this.#ofTunnel(type, payload);
    else this.#ofStream(type, id, payload);
  }

  #ofStream(type: number, id: number, payload: Buffer): void {
    if (type === frameType.open) {
      const hasRoom = this.#host.streams.admit(id);
      this.#host.opened(id, readOpen(payload), hasRoom);
    } else if (type === frameType.answer) {
      const stream = this.#host.streams.find(id);
      if (stream === undefined) throw ProtocolBroken('an answer to a stream that is over');
      stream.takeAnswer(readAnswer(payload));
    } else this.#reset(id, payload);
  }

  #ofTunnel(type: number, payload: Buffer): void {
    if (type === frameType.ping) {
      if (!this.#pings.spend()) throw ProtocolBroken('a flood of pings');
      this.#host.sender.sendNumber(frameType.pong, 0, payload.readUInt32BE(0));
    } else if (type === frameType.pong) this.#host.pongCame(payload.readUInt32BE(0));
    else if (type === frameType.drain) this.#host.drainAsked();
    else if (type === frameType.drained) this.#host.drainConfirmed();
    else this.#host.peerClosed(payload.length === 0 ? undefined : readError(payload));
  }

  #reset(id: number, payload: Buffer): void {
    const error = payload.length === 0 ? undefined : readError(payload);
    const stream = this.#host.streams.find(id);
    if (stream === undefined) return this.#trifle();
    const isHasty = error !== undefined && !stream.isOurs && !stream.isAnswered;
    if (isHasty && !this.#hastyResets.spend())
      throw ProtocolBroken('a flood of streams that are opened only to be reset');
    stream.takeReset(error);
  }

  #credit(id: number, bytes: number): void {
    if (bytes < leastCredit || bytes > mostCredit) throw ProtocolBroken('credit that is no credit');
    if (id === 0) {
      if (this.#host.sender.addCredit(bytes) > mostCredit)
        throw ProtocolBroken('more credit than a window may have');
      return;
    }
    const stream = this.#host.streams.find(id);
    if (stream === undefined || stream.isEnded) this.#trifle();
    else stream.takeCredit(bytes);
  }

  #trifle(): void {
    if (!this.#trifles.spend()) throw ProtocolBroken('a flood of frames that move nothing');
  }
}
