import type { Telemetry } from '@postern/telemetry';
import { keepFresh } from './authorities/own-identity.ts';

/** What is done again and again until it is closed. */
export interface BackgroundJobs extends AsyncDisposable {
  keepFresh(what: string, lifeMs: number, renew: () => Promise<void>): void;
}

/** Nothing yet. */
export function backgroundJobs(telemetry: Telemetry): BackgroundJobs {
  const stopped = new AbortController();
  const running: Promise<void>[] = [];
  return {
    keepFresh: (what, lifeMs, renew) =>
      void running.push(keepFresh(what, { telemetry, signal: stopped.signal, lifeMs }, renew)),
    [Symbol.asyncDispose]: async () => {
      stopped.abort();
      await Promise.allSettled(running);
    },
  };
}
