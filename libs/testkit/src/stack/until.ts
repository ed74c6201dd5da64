import { messageOf } from '@postern/core';

/** Bounds of a wait, in milliseconds. */
export interface Patience {
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/**
 * Waits until the attempt returns something truthy, and returns it. An attempt that throws counts as not yet; when the time
 * is over the last failure is in the error.
 */
export async function until<T>(
  what: string,
  attempt: () => Promise<T | undefined | false> | T | undefined | false,
  { withinMs = 20_000, everyMs = 50 }: Patience = {},
): Promise<T> {
  const end = performance.now() + withinMs;
  let last = 'it never became true';
  for (;;) {
    try {
      const value = await attempt();
      if (value) return value;
    } catch (error) {
      last = messageOf(error);
    }
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what} (${last})`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
