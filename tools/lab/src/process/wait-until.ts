import { delay } from '@postern/core';

/** Bounds of a wait. `what` ends the sentence "gave up waiting for …". `failed` is asked each time and ends the wait early. */
export interface WaitOptions {
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly failed?: () => string | undefined;
}

/** Asks until the answer is not false, undefined or an error, and returns it. */
export async function waitUntil<T>(
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  let lastError: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      lastError = error;
    }
    const failure = options.failed?.();
    if (failure) throw new Error(`${options.what}: ${failure}`);
    if (performance.now() > deadline) {
      const seconds = Math.round(options.timeoutMs / 1000);
      throw new Error(`gave up waiting for ${options.what} after ${seconds} s`, { cause: lastError });
    }
    await delay(options.everyMs ?? 25, options.signal);
  }
}
