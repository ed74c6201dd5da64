import type { AppError } from '@postern/core';
import {
  type AnswerHead,
  type OpenHead,
  type StreamEvents,
  Tunnel,
  type TunnelOptions,
  type TunnelStream,
  type TunnelTimers,
} from '../../src/index.ts';
import { type MemorySocket, socketPair } from './pair.ts';

/** Everything that happened to one end of a stream. */
export class Heard implements StreamEvents {
  readonly log: string[] = [];
  readonly chunks: Buffer[] = [];
  head: AnswerHead | undefined;
  error: AppError | undefined;
  drains = 0;

  answer(head: AnswerHead): void {
    this.head = head;
    this.log.push(`answer ${head.status}`);
  }

  data(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.log.at(-1) !== 'data') this.log.push('data');
  }

  end(): void {
    this.log.push('end');
  }

  reset(error: AppError): void {
    this.error = error;
    this.log.push(`reset ${error.code}`);
  }

  drain(): void {
    this.drains += 1;
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get length(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
}

/** A stream that was accepted. */
export interface Accepted {
  readonly stream: TunnelStream;
  readonly head: OpenHead;
  readonly heard: Heard;
}

/** Two ends joined in memory. The edge is the listener and opens streams; the agent takes them. */
export interface Joined {
  readonly edge: Tunnel;
  readonly agent: Tunnel;
  readonly edgeSocket: MemorySocket;
  readonly agentSocket: MemorySocket;
  readonly accepted: Accepted[];
  /** What callbacks threw. */
  readonly reported: unknown[];
}

/** Options of both ends, and those of one. */
export interface JoinOptions extends Partial<TunnelOptions> {
  readonly pieceBytes?: number;
  readonly ofAgent?: Partial<TunnelOptions>;
  /** Called for each accepted stream. */
  readonly onOpen?: (accepted: Accepted) => void;
}

export function join({ pieceBytes = 0, ofAgent = {}, onOpen, ...both }: JoinOptions = {}): Joined {
  const [edgeSocket, agentSocket] = socketPair(pieceBytes);
  const [accepted, reported]: [Accepted[], unknown[]] = [[], []];
  const report = (error: unknown) => void reported.push(error);
  const accept = (stream: TunnelStream, head: OpenHead) => {
    const one = { stream, head, heard: new Heard() };
    accepted.push(one);
    onOpen?.(one);
    return one.heard;
  };
  const edge = new Tunnel(edgeSocket, { side: 'listener', report, ...both });
  const agent = new Tunnel(agentSocket, { side: 'dialer', report, accept, ...both, ...ofAgent });
  return { edge, agent, edgeSocket, agentSocket, accepted, reported };
}

export const get: OpenHead = { method: 'GET', path: '/api/v1/pods', headers: ['accept', 'application/json'] };
export const ok: AnswerHead = { status: 200, headers: ['content-type', 'application/json'] };

/** Waits until the condition holds, for as long as anything still moves in memory. */
export async function settled(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5000; turn += 1) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`it never came to: ${what}`);
}

/** Lets everything that is under way arrive. */
export async function quiet(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Timers that go on when they are told to. */
export class FakeTimers implements TunnelTimers {
  #now = 0;
  readonly #due = new Set<{ at: number; everyMs: number | undefined; act: () => void }>();

  now(): number {
    return this.#now;
  }

  every(ms: number, act: () => void): () => void {
    return this.#add({ at: this.#now + ms, everyMs: ms, act });
  }

  after(ms: number, act: () => void): () => void {
    return this.#add({ at: this.#now + ms, everyMs: undefined, act });
  }

  get waiting(): number {
    return this.#due.size;
  }

  /** The process was stopped for so long: when it goes on each timer that is due fires once. */
  standStill(ms: number): void {
    this.#now += ms;
    for (const timer of this.#due) {
      if (timer.at > this.#now) continue;
      this.#fire(timer);
      timer.at = this.#now + (timer.everyMs ?? 0);
    }
  }

  /** Time goes on in steps; between them everything under way arrives. */
  async pass(ms: number, stepMs = 1000): Promise<void> {
    const end = this.#now + ms;
    while (this.#now < end) {
      this.#now = Math.min(end, this.#now + stepMs);
      for (const timer of this.#due) if (timer.at <= this.#now) this.#fire(timer);
      await quiet(5);
    }
  }

  #add(timer: { at: number; everyMs: number | undefined; act: () => void }): () => void {
    this.#due.add(timer);
    return () => void this.#due.delete(timer);
  }

  #fire(timer: { at: number; everyMs: number | undefined; act: () => void }): void {
    if (timer.everyMs === undefined) this.#due.delete(timer);
    else timer.at += timer.everyMs;
    timer.act();
  }
}
