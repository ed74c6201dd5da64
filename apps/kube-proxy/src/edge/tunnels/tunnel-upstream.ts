import { AppError, failure, messageOf } from '@postern/core';
import type { Tunnel, TunnelStream } from '@postern/tunnel';
import type { Dispatcher } from 'undici';
import { UpstreamTimeout } from '../../forward/answers.ts';
import type {
  SentRequest,
  UpgradeEvents,
  UpgradeProtocol,
  UpgradeUpstream,
  UpstreamRequest,
} from '../../forward/upstream.ts';
import { WayBroke } from '../../forward/way-broke.ts';
import { TunnelCall } from './tunnel-call.ts';
import { UpgradeAttempt } from './upgrade-attempt.ts';

/** The agent takes requests in and answers nothing, not even when it is asked whether it is there. */
export const AgentSilent = failure(
  'unavailable',
  'edge.agent_silent',
  (ms: number) => `the agent has answered nothing for ${Math.round(ms / 1000)} s; try again`,
);

const headersTimeoutMs = 75_000;
/** While answers are waited for: how long nothing may come before the agent is asked, and until it counts as silent. */
const quiet = { askMs: 1000, silentMs: 3000, askAgainMs: 5000 };

/** Path at which an agent says that it is there. */
export const pingPath = '/ping';

/**
 * Requests to one agent over one tunnel: the agent's own, or one to another edge that passes them on. Pings of the tunnel find a
 * dead peer within half a minute; requests must not wait that long, so while one waits for its answer the agent is watched
 * more closely, and those that may be sent twice go elsewhere when it is silent.
 */
export class TunnelUpstream implements UpgradeUpstream {
  readonly tunnel: Tunnel;
  readonly #to: string | undefined;
  readonly #now: () => number;
  readonly #waiting = new Set<TunnelCall>();
  readonly #upgrades = new Set<UpgradeAttempt>();
  /** Since when something is waited for; 0 while nothing is. */
  #quietSince = 0;
  #question: TunnelStream | undefined;
  #askedAt = 0;
  #isSilent = false;

  /** `to` is the agent behind another edge. `now` is a clock that is never set, milliseconds; it need not be exact. */
  constructor(tunnel: Tunnel, to: string | undefined, now: () => number) {
    this.tunnel = tunnel;
    this.#to = to;
    this.#now = now;
  }

  /** Whether requests are better sent elsewhere. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Whether `watch` has something to look after. */
  get isWatched(): boolean {
    return this.#isWaiting || this.#isSilent;
  }

  dispatch(request: SentRequest, handler: Dispatcher.DispatchHandler): void {
    const call = new TunnelCall(request, handler, {
      now: this.#now(),
      heard: () => this.#heard(),
      settled: (settled) => this.#waiting.delete(settled),
    });
    this.#beginWaiting();
    this.#waiting.add(call);
    try {
      call.send(this.tunnel, this.#to, request);
    } catch (error) {
      call.lose(broken(error));
    }
  }

  upgrade(request: UpstreamRequest, protocol: UpgradeProtocol, events: UpgradeEvents): { destroy(): void } {
    const attempt = new UpgradeAttempt(events, () => {
      this.#upgrades.delete(attempt);
      this.#heard();
    });
    this.#beginWaiting();
    this.#upgrades.add(attempt);
    const { method, path, headers } = request;
    attempt.send(this.tunnel, { method, path, headers, upgrade: protocol, ...this.#direction });
    return attempt;
  }

  /** Called every half second while it is watched. */
  watch(): void {
    const now = this.#now();
    if (!this.isWatched) return;
    for (const call of this.#waiting)
      if (!call.isLongLived && now - call.startedAt > headersTimeoutMs) call.lose(UpstreamTimeout());
    const quietMs = now - this.#quietSince;
    if (quietMs >= quiet.askMs) this.#ask();
    if (quietMs >= quiet.silentMs && !this.#isSilent) this.#becomeSilent(quietMs);
  }

  #ask(): void {
    if (this.#question && this.#now() - this.#askedAt < quiet.askAgainMs) return;
    // A question that was lost is not waited for for ever.
    this.#question?.reset(AgentSilent(quiet.askAgainMs));
    this.#askedAt = this.#now();
    const over = () => {
      this.#question = undefined;
      this.#heard();
    };
    const events = { answer: () => this.#heard(), data: () => undefined, end: over, drain: () => undefined };
    try {
      const head = { method: 'GET', path: pingPath, headers: [], ...this.#direction };
      this.#question = this.tunnel.open(head, { ...events, reset: () => (this.#question = undefined) });
      this.#question.end();
    } catch {
      // Draining or closed: whoever owns the tunnel hears of that by itself.
    }
  }

  #becomeSilent(quietMs: number): void {
    this.#isSilent = true;
    const error = new WayBroke(AgentSilent(quietMs).message, 'unknown');
    for (const call of this.#waiting) if (call.isIdempotent && !call.isLongLived) call.lose(error);
    for (const attempt of this.#upgrades) attempt.fail(AgentSilent(quietMs));
  }

  get #isWaiting(): boolean {
    return this.#waiting.size > 0 || this.#upgrades.size > 0;
  }

  get #direction(): { readonly to?: string } {
    return this.#to === undefined ? {} : { to: this.#to };
  }

  #beginWaiting(): void {
    if (!this.#isWaiting) this.#quietSince = this.#now();
  }

  #heard(): void {
    this.#quietSince = this.#now();
    this.#isSilent = false;
  }
}

/** Nothing was sent, so that whatever it was may be tried elsewhere; unless the request itself is at fault. */
function broken(error: unknown): Error {
  const isRequest = error instanceof AppError && error.kind === 'invalid_argument';
  return isRequest ? error : new WayBroke(messageOf(error), 'nowhere', { cause: error });
}
