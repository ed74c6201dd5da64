import { AsyncLocalStorage } from 'node:async_hooks';

/** The conversation that work belongs to, and what led to it: both go into the meta of every event it records. */
export interface Cause {
  /** The same for everything that one request or one first event led to. */
  readonly correlationId?: string;
  /** Id of the event that is being handled. */
  readonly causationId?: string;
}

const storage = new AsyncLocalStorage<() => Cause>();

/** Runs `work` so that what it records tells its cause, which is only computed when something is recorded. */
export function inCause<T>(cause: () => Cause, work: () => T): T {
  return storage.run(cause, work);
}

/** The cause of what runs now; empty where nobody gave one. */
export function currentCause(): Cause {
  return storage.getStore()?.() ?? {};
}
