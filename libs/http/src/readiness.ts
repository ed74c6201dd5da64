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
