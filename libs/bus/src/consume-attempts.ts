import type { JsMsg } from '@nats-io/jetstream';
import { delay, failureKinds, messageOf, toAppError } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import type { ConsumeBatchesOptions } from './consume.ts';
import { parkedMessage } from './consume-message.ts';
import type { ConsumerMetrics } from './consume-metrics.ts';

/** What the attempts of one consumer need. */
export interface AttemptsDeps {
  readonly options: ConsumeBatchesOptions;
  readonly metrics: ConsumerMetrics;
  readonly log: Logger | undefined;
  readonly signal: AbortSignal;
  /** When the JetStream stream was made. */
  readonly streamCreated: () => string;
  readonly call: (messages: readonly JsMsg[]) => Promise<void>;
}

const defaultAttempts = 5;
const longestPauseMs = 5000;
const tellDroppedEveryMs = 10_000;

/**
 * Tries messages until they are done, as the table of failures says: what is unavailable is waited out, what may pass is tried
 * a few times, and what will not is parked. In place, so that later messages of the same aggregate do not overtake.
 */
export class Attempts {
  readonly #deps: AttemptsDeps;
  #dropped = 0;
  #toldAt: number | undefined;

  constructor(deps: AttemptsDeps) {
    this.#deps = deps;
  }

  /** Handles messages together, or each alone when that fails. Ends early, with nothing done, when the consumer is closed. */
  async handle(batch: readonly JsMsg[]): Promise<void> {
    try {
      await this.#deps.call(batch);
      for (const message of batch) message.ack();
    } catch (error) {
      if (batch.length === 1) return this.#failed(batch[0]!, error, 1);
      for (const message of batch) await this.#alone(message, 0);
    }
  }

  async #alone(message: JsMsg, failures: number): Promise<void> {
    if (this.#deps.signal.aborted) return message.nak();
    try {
      await this.#deps.call([message]);
      message.ack();
    } catch (error) {
      await this.#failed(message, error, failures + 1);
    }
  }

  async #failed(message: JsMsg, error: unknown, failures: number): Promise<void> {
    const then = failureKinds[toAppError(error).kind].consumer;
    if (then === 'ack') return message.ack();
    if (then === 'term') return this.#park(message, error, this.#deps.options.maxParkedOfSubject);
    if (then !== 'delay' && failures >= (this.#deps.options.attempts ?? defaultAttempts))
      return this.#park(message, error);
    this.#warn('a message is tried again', message, error);
    await this.#pause(failures);
    return this.#alone(message, failures);
  }

  /** The message is kept before the server forgets it. While it cannot be kept it is not let go. */
  async #park(message: JsMsg, error: unknown, mostOfSubject?: number): Promise<void> {
    const { options, metrics, signal, streamCreated } = this.#deps;
    const { code } = toAppError(error);
    const parked = parkedMessage(message, {
      consumer: options.durable,
      streamCreated: streamCreated(),
      code,
      error: messageOf(error),
    });
    for (let failures = 1; ; failures += 1) {
      if (signal.aborted) return message.nak();
      try {
        if (!(await options.parking.park(parked, mostOfSubject))) return this.#drop(message, error);
        break;
      } catch (failed) {
        this.#warn('a message cannot be parked and is kept', message, failed);
        await this.#pause(failures);
      }
    }
    metrics.parked();
    this.#alarm('a message was parked', message, error);
    message.term(messageOf(error).slice(0, 200));
    options.onParked?.();
  }

  /** Whoever floods the consumer with what never passes floods neither the parking nor, but once in a while, the log. */
  #drop(message: JsMsg, error: unknown): void {
    this.#deps.metrics.dropped();
    this.#dropped += 1;
    const now = performance.now();
    if (this.#toldAt === undefined || now - this.#toldAt > tellDroppedEveryMs) {
      this.#toldAt = now;
      this.#alarm('messages are dropped: too many of their sender are parked', message, error);
    }
    message.term('dropped: too many are parked');
  }

  #alarm(text: string, { subject, seq: sequence }: JsMsg, error: unknown): void {
    const { stream, durable } = this.#deps.options;
    const dropped = this.#dropped;
    const { code } = toAppError(error);
    this.#deps.log?.error(text, {
      stream,
      durable,
      subject,
      sequence,
      dropped,
      code,
      error: messageOf(error),
    });
  }

  #warn(text: string, { subject }: JsMsg, error: unknown): void {
    if (this.#deps.signal.aborted) return;
    const { stream, durable } = this.#deps.options;
    this.#deps.log?.warn(text, { stream, durable, subject, error: messageOf(error) });
  }

  async #pause(failures: number): Promise<void> {
    const ms = Math.min(100 * 2 ** failures, longestPauseMs);
    await delay(ms * (0.5 + Math.random()), this.#deps.signal).catch(() => {});
  }
}
