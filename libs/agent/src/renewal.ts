import { delay, messageOf } from '@postern/core';
import { type HeldIdentity, readCertificate } from '@postern/identity';
import { askStanding, heldFrom, makeKeys, materialOf, renew } from './enroll.ts';
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
  readonly #options: IdentityOptions;
  readonly #file: StateFile;
  readonly #closed = new AbortController();
  readonly #lost = new AbortController();
  readonly #listeners = new Set<() => void>();
  #state: AgentState;
  #running: Promise<void> | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor({ options, file, state }: RenewalDeps) {
    const signals = options.signal ? [options.signal, this.#closed.signal] : [this.#closed.signal];
    this.#options = { ...options, signal: AbortSignal.any(signals) };
    this.#file = file;
    this.#state = state;
    this.held = heldFrom(state, options.clock);
  }

  get state(): AgentState {
    return this.#state;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the renewal must not wait: one was begun, its time has come, it is doubted, or other views are wanted. */
  isDue(): boolean {
    const { views = [], clock } = this.#options;
    const areOtherViews = views.some((view) => !this.#state.views.includes(view));
    const { pending, isDoubted = false } = this.#state;
    return pending !== undefined || isDoubted || areOtherViews || clock().getTime() >= this.#renewAt();
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
    if (!isEnded) await this.#keep({ ...this.#state, isDoubted: true });
    this.#lost.abort(error);
    return true;
  }

  async #renew(): Promise<void> {
    const pending = this.#state.pending ?? (await makeKeys());
    await this.#keep({ ...this.#state, pending });
    const renewed = await persist('renewing', this.#options, (count) =>
      renew(this.held, pending, this.#options, count),
    );
    const { service } = this.#state;
    const next = { ...renewed, ...(service === undefined ? {} : { service }) };
    await this.#keep(next);
    this.held.replace(materialOf(next));
    for (const listener of this.#listeners) listener();
    this.#options.telemetry.log.info('renewed the identity', {
      generation: this.held.current().principal.generation ?? 0,
      notAfter: this.held.current().principal.notAfter.toISOString(),
    });
  }

  async #keep(state: AgentState): Promise<void> {
    await this.#file.write(state);
    this.#state = state;
  }

  #renewAt(): number {
    const { validFromDate, validToDate } = readCertificate(this.#state.certificate);
    const life = validToDate.getTime() - validFromDate.getTime();
    return validFromDate.getTime() + life * lifeBeforeRenewal;
  }
}
