import { Duplex } from 'node:stream';
import { type AppError, failure, toAppError } from '@postern/core';
import type { StreamWatch } from './stream-watch.ts';

export const ClientLost = failure(
  'unavailable',
  'kube.client_lost',
  () => 'the client does not answer any more',
);

export interface LegHooks {
  /** Resolves when more may be passed on to the client; undefined when that is now. */
  readonly settled: () => Promise<void> | undefined;
  /** Something that was read ends the stream. */
  readonly refused: (error: AppError) => void;
}

const pingMs = 15_000;
const lostAfterPings = 2;
const boundaryMs = 500;
const partingMs = 700;
const maxQueuedBytes = 65_536;

/**
 * The client's side of a stream, read along. What is written to it goes to the client, what the client sends is read from it,
 * and in between it can ping the client and say why the stream ends.
 *
 * A client that answered pings and then is silent for two of them is gone; unless something was sent to it meanwhile, since a
 * client that does not read what it got, such as one behind a pager, does not get to our pings either.
 */
export class ClientLeg extends Duplex {
  readonly #socket: Duplex;
  readonly #watch: StreamWatch;
  readonly #hooks: LegHooks;
  readonly #pings: NodeJS.Timeout;
  #cutBy: AppError | undefined;
  #hasParted = false;
  #silentPings = 0;
  #wasSentSinceHeard = false;

  constructor(socket: Duplex, watch: StreamWatch, hooks: LegHooks) {
    super();
    this.#socket = socket;
    this.#watch = watch;
    this.#hooks = hooks;
    socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    socket.once('end', () => this.push(null));
    socket.once('close', () => this.destroy());
    socket.on('error', () => undefined);
    this.on('error', () => undefined);
    socket.pause();
    this.#pings = setInterval(() => this.#ping(), pingMs);
    this.#pings.unref();
  }

  /** Lets nothing more pass, tells the client why as soon as that does not cut into a frame, and closes soon after. */
  cut(error: AppError): void {
    if (this.#cutBy || this.destroyed) return;
    this.#cutBy = error;
    this.#socket.resume();
    if (this.#watch.mayPart) this.#part();
    else setTimeout(() => this.destroy(), boundaryMs).unref();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const passed = this.#readAlong(chunk);
    const settled = this.#hooks.settled();
    if (settled) void settled.then(() => this.#pass(passed, done));
    else this.#pass(passed, done);
  }

  override _final(done: () => void): void {
    if (!this.#cutBy) this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#pings);
    this.#socket.destroy();
    done(error);
  }

  /** What of a chunk goes to the client: all of it, or up to where the stream was cut. */
  #readAlong(chunk: Buffer): Buffer {
    if (this.#hasParted) return chunk.subarray(0, 0);
    let at = 0;
    try {
      while (at < chunk.length && !(this.#cutBy && this.#watch.mayPart))
        at = this.#watch.fromServer(chunk, at);
    } catch (error) {
      this.destroy();
      this.#hooks.refused(toAppError(error));
      return chunk.subarray(0, 0);
    }
    return chunk.subarray(0, at);
  }

  #pass(passed: Buffer, done: () => void): void {
    this.#wasSentSinceHeard = true;
    const hasRoom = passed.length === 0 || this.#socket.write(passed);
    if (this.#cutBy && this.#watch.mayPart) this.#part();
    if (hasRoom || this.#socket.destroyed) done();
    else this.#socket.once('drain', done);
  }

  #heard(chunk: Buffer): void {
    if (this.#cutBy) return;
    this.#silentPings = 0;
    this.#wasSentSinceHeard = false;
    try {
      this.#watch.fromClient(chunk);
    } catch (error) {
      this.#hooks.refused(toAppError(error));
      return;
    }
    if (!this.push(chunk)) this.#socket.pause();
  }

  /** Clients end by themselves when they have read it; what they have not read yet would be lost with the connection. */
  #part(): void {
    if (this.#hasParted || this.destroyed) return;
    this.#hasParted = true;
    this.#socket.write(this.#watch.parting(this.#cutBy!));
    setTimeout(() => this.destroy(), partingMs).unref();
  }

  #ping(): void {
    if (this.#cutBy || this.#socket.destroyed) return;
    const mustAnswer = this.#watch.answers > 0 && !this.#wasSentSinceHeard;
    if (mustAnswer && this.#silentPings >= lostAfterPings) {
      this.destroy();
      this.#hooks.refused(ClientLost());
      return;
    }
    this.#silentPings = mustAnswer ? this.#silentPings + 1 : 0;
    if (this.#watch.mayPing && this.#socket.writableLength < maxQueuedBytes)
      this.#socket.write(this.#watch.ping());
  }
}
