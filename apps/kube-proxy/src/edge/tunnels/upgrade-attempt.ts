import { type AppError, messageOf } from '@postern/core';
import {
  type AnswerHead,
  duplexOf,
  type OpenHead,
  type StreamEvents,
  type Tunnel,
  type TunnelStream,
} from '@postern/tunnel';
import { BadGateway, UpstreamUnreachable } from '../../forward/answers.ts';
import type { Arrival, UpgradeEvents } from '../../forward/upstream.ts';
import { arrivalOf, isNotServed, recordOf } from './tunnel-call.ts';

const timeoutMs = 35_000;

/** A request over a tunnel that asks to switch protocols. It tells one of the events; what was joined is a socket. */
export class UpgradeAttempt implements StreamEvents {
  readonly #events: UpgradeEvents;
  readonly #settled: () => void;
  readonly #timer: NodeJS.Timeout;
  #stream: TunnelStream | undefined;
  #isSettled = false;
  #destroy = (error: AppError) => this.#stream?.reset(error);

  /** `settled` is told once, when the answer is there or given up. */
  constructor(events: UpgradeEvents, settled: () => void) {
    this.#events = events;
    this.#settled = settled;
    this.#timer = setTimeout(() => this.fail(BadGateway('it did not answer the upgrade')), timeoutMs);
  }

  send(tunnel: Tunnel, head: OpenHead): void {
    try {
      this.#stream = tunnel.open(head, this);
    } catch (error) {
      queueMicrotask(() => this.fail(UpstreamUnreachable.from(error, messageOf(error)), 'nowhere'));
    }
  }

  answer({ status, headers }: AnswerHead): void {
    if (isNotServed(headers))
      return this.fail(UpstreamUnreachable('the agent does not serve the cluster'), 'nowhere');
    if (!this.#settle()) return;
    const joined = duplexOf(this.#stream!);
    joined.on('error', () => undefined);
    this.#destroy = (error) => void joined.destroy(error);
    if (status === 101) this.#events.joined(recordOf(headers), joined);
    else this.#events.refused(status, recordOf(headers), joined.end());
  }

  data(): void {
    // Nothing comes before the answer, and the socket hears what comes after it.
  }

  end(): void {
    this.fail(BadGateway('it did not answer the upgrade'));
  }

  reset(error: AppError): void {
    this.fail(UpstreamUnreachable.from(error, error.message), arrivalOf(error));
  }

  drain(): void {
    // Nothing is written before the answer.
  }

  /** Gives the attempt up and says why. */
  fail(error: AppError, arrival: Arrival = 'unknown'): void {
    if (!this.#settle()) return;
    this.#destroy(error);
    this.#events.failed(error, arrival);
  }

  destroy(): void {
    this.#settle();
    this.#destroy(UpstreamUnreachable('given up'));
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#settled();
    return true;
  }
}
