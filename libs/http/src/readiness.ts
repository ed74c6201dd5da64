/** Where a process is in its life. */
export type ReadinessState = 'starting' | 'ready' | 'stopping';

/** Whether work should be sent here. Shared by a listener, which sets it, and `/readyz`, which tells it. */
export class Readiness {
  #state: ReadinessState = 'starting';

  get state(): ReadinessState {
    return this.#state;
  }

  /** Says whether work is welcome. After `stop` nothing changes it again. */
  setReady(isReady: boolean): void {
    if (this.#state !== 'stopping') this.#state = isReady ? 'ready' : 'starting';
  }

  stop(): void {
    this.#state = 'stopping';
  }
}

/** The readiness of a process whose service may begin again: that of the service as it runs now. */
export class LatestReadiness implements Pick<Readiness, 'state'> {
  #latest = new Readiness();

  get state(): ReadinessState {
    return this.#latest.state;
  }

  /** For a service that begins. What the one before it says counts no more. */
  begin(): Readiness {
    this.#latest = new Readiness();
    return this.#latest;
  }
}
