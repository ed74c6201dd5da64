import { delay, messageOf } from '@postern/core';
import {
  caPin,
  type HeldIdentity,
  issuerPin,
  readCertificate,
  splitPem,
  type TrustNews,
} from '@postern/identity';
import { askStanding, heldFrom, makeKeys, materialOf, renew } from './enroll.ts';
import { TrustFollower } from './follow-trust.ts';
import type { IdentityOptions } from './identity-options.ts';
import { IdentityEnded, RefusedByControlPlane } from './join-client.ts';
import { persist } from './persist.ts';
import type { AgentState, StateFile } from './stored-identity.ts';

// A clock that jumps, or a machine that slept, is noticed this late at most.
const maxSleepMs = 60_000;
const minSleepMs = 1_000;
const lifeBeforeRenewal = 2 / 3;
const retryRefusedMs = 300_000;

interface RenewalDeps {
  readonly options: IdentityOptions;
  readonly file: StateFile;
  readonly state: AgentState;
}

/** Keeps an identity from expiring. */
export class Renewal implements AsyncDisposable {
  readonly held: HeldIdentity;
  readonly trust: TrustFollower;
  readonly #options: IdentityOptions;
  readonly #file: StateFile;
  readonly #closed = new AbortController();
  readonly #lost = new AbortController();
  readonly #listeners = new Set<() => void>();
  #state: AgentState;
  /** What is trusted now, which the store may know a moment later. It is never replaced by something older. */
  #trusted: Trusted;
  #running: Promise<void> | undefined;
  #loop: Promise<void> = Promise.resolve();
  #keeping: Promise<void> = Promise.resolve();

  constructor({ options, file, state }: RenewalDeps) {
    const signals = options.signal ? [options.signal, this.#closed.signal] : [this.#closed.signal];
    this.#options = { ...options, signal: AbortSignal.any(signals) };
    this.#file = file;
    this.#state = state;
    this.#trusted = trustedIn(state);
    this.held = heldFrom(state, options.clock);
    this.trust = new TrustFollower({
      held: this.held,
      options: this.#options,
      revision: () => this.#trusted.trustRevision,
      take: (news) => this.#take(news),
      isDue: () => this.isDue(),
      renewNow: () => this.renewNow(),
      check: () => this.check(),
      failed: (error) => this.#onRefusal(error),
    });
  }

  get state(): AgentState {
    return this.#state;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the renewal must not wait: one was begun, its time has come, it is doubted, or other views or another authority are wanted. */
  isDue(): boolean {
    const { views = [], clock } = this.#options;
    const areOtherViews = views.some((view) => !this.#state.views.includes(view));
    const { pending, isDoubted = false } = this.#state;
    const mustBegin = pending !== undefined || isDoubted || areOtherViews || !this.#hasWantedIssuer();
    return mustBegin || clock().getTime() >= this.#renewAt();
  }

  /** Calls back after each renewal. Returns how to stop. */
  onRenewed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  start(): void {
    this.#loop = this.#keepRenewing().catch(() => {});
  }

  /** One renewal at a time: who asks during one waits for the same. */
  renewNow(): Promise<void> {
    this.#running ??= this.#renew().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** Asks whether the identity holds. A control plane that cannot be asked changes nothing. */
  async check(): Promise<void> {
    const { telemetry } = this.#options;
    await askStanding(this.held, this.#options).catch(async (error: unknown) => {
      if (!(await this.#onRefusal(error)))
        telemetry.log.debug('whether the identity holds is not known', { error: messageOf(error) });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await Promise.allSettled([this.#loop, this.#running]);
  }

  async #keepRenewing(): Promise<void> {
    const { clock, signal, telemetry } = this.#options;
    while (!this.#options.signal?.aborted) {
      const wait = this.#renewAt() - clock().getTime();
      if (wait > 0) await delay(Math.max(minSleepMs, Math.min(wait, maxSleepMs)), signal);
      else await this.renewNow().catch((error: unknown) => this.#onFailure(error));
    }
    telemetry.log.debug('renewal stopped');
  }

  async #onFailure(error: unknown): Promise<void> {
    const { signal, telemetry } = this.#options;
    if (signal?.aborted) return;
    const notAfter = this.held.current().principal.notAfter.toISOString();
    telemetry.log.error('the identity could not be renewed', { error: messageOf(error), notAfter });
    await this.#onRefusal(error);
    await delay(retryRefusedMs, signal);
  }

  /**
   * An identity that was taken from us stays as it is, for a person to look at. One that is not known any more is renewed before
   * it is used again, by whoever opens it next; if that is refused too, it is replaced by joining anew.
   */
  async #onRefusal(error: unknown): Promise<boolean> {
    const isEnded = IdentityEnded.is(error);
    if (!isEnded && !RefusedByControlPlane.is(error)) return false;
    if (!isEnded) await this.#keep((state) => ({ ...state, isDoubted: true }));
    this.#lost.abort(error);
    return true;
  }

  async #renew(): Promise<void> {
    const pending = this.#state.pending ?? (await makeKeys());
    await this.#keep((state) => ({ ...state, pending }));
    const renewed = await persist('renewing', this.#options, (count) =>
      renew(this.held, pending, this.#options, count),
    );
    const answered = trustedIn(renewed);
    if (answered.trustRevision >= this.#trusted.trustRevision) this.#trusted = answered;
    await this.#keep((state) => renewedState(state, renewed, this.#trusted));
    this.held.replace({ ...materialOf(renewed), ...trustOf(this.#trusted) });
    for (const listener of this.#listeners) listener();
    this.#options.telemetry.log.info('renewed the identity', {
      generation: this.held.current().principal.generation ?? 0,
      notAfter: this.held.current().principal.notAfter.toISOString(),
    });
  }

  /**
   * Goes by newer trust: at once in this process, and then in the store. If the authority of our own certificate is not in there,
   * we slept through its rotation, and whoever opens the identity next joins anew.
   */
  async #take(news: TrustNews): Promise<void> {
    const { telemetry } = this.#options;
    const { type } = this.held.current().principal;
    const wantedIssuer = type === 'svc' ? news.issuers.svc : news.issuers.agent;
    this.#trusted = { ...trustOf(news), trustRevision: news.revision };
    try {
      this.held.replace({ ...this.held.current(), ...trustOf(news) });
    } catch (error) {
      await this.#keep((state) => ({ ...trusting(state, this.#trusted), isDoubted: true }));
      this.#lost.abort(
        RefusedByControlPlane.from(error, 'the authority of this identity is trusted no more'),
      );
      return;
    }
    telemetry.log.info('the trust changed', {
      revision: news.revision,
      renews: !this.#isIssuedBy(wantedIssuer),
    });
    await this.#keep((state) => ({ ...trusting(state, this.#trusted), wantedIssuer }));
  }

  #hasWantedIssuer(): boolean {
    const { wantedIssuer } = this.#state;
    return wantedIssuer === undefined || this.#isIssuedBy(wantedIssuer);
  }

  #isIssuedBy(pin: string): boolean {
    const { certificate, hostCa } = this.held.current();
    return issuerPin(certificate, hostCa) === pin;
  }

  /** One change at a time, each of what the one before has left. */
  #keep(change: (state: AgentState) => AgentState): Promise<void> {
    this.#keeping = this.#keepAfter(this.#keeping, change);
    return this.#keeping;
  }

  async #keepAfter(before: Promise<void>, change: (state: AgentState) => AgentState): Promise<void> {
    await before.catch(() => {});
    const next = change(this.#state);
    await this.#file.write(next);
    this.#state = next;
  }

  #renewAt(): number {
    const { validFromDate, validToDate } = readCertificate(this.#state.certificate);
    const life = validToDate.getTime() - validFromDate.getTime();
    return validFromDate.getTime() + life * lifeBeforeRenewal;
  }
}

const maxKnownPins = 16;

type Trusted = Required<Pick<AgentState, 'hostCa' | 'userCa' | 'hostChain' | 'trustRevision'>>;

function trustedIn({ hostCa, userCa, hostChain = '', trustRevision = 0 }: AgentState): Trusted {
  return { hostCa, userCa, hostChain, trustRevision };
}

function trustOf({ hostCa, userCa, hostChain }: Omit<Trusted, 'trustRevision'>) {
  return { hostCa, userCa, hostChain };
}

/** A state with newer trust. The pins of what is trusted no more stay known: configurations name them for a long time. */
function trusting(state: AgentState, trusted: Trusted): AgentState {
  return { ...state, ...trusted, knownPins: pinsKnownTo(state) };
}

function pinsKnownTo({ hostCa, knownPins = [] }: AgentState): string[] {
  return [...new Set([...splitPem(hostCa).map(caPin), ...knownPins])].slice(0, maxKnownPins);
}

/** What a renewal makes of a state. Where newer trust was told meanwhile, it is not known yet whether the right authority certified. */
function renewedState(state: AgentState, renewed: AgentState, trusted: Trusted): AgentState {
  const { service, wantedIssuer } = state;
  const isOlder = trustedIn(renewed).trustRevision < trusted.trustRevision;
  return {
    ...renewed,
    ...trusted,
    ...(isOlder && wantedIssuer !== undefined ? { wantedIssuer } : {}),
    knownPins: pinsKnownTo(state),
    ...(service === undefined ? {} : { service }),
  };
}
