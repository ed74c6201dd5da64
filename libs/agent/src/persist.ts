import { UnknownStsRegion } from '@postern/aws';
import { delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { IdentityEnded, RefusedByControlPlane } from './join-client.ts';
import { PinMismatch, UnreadableCa } from './trust-anchor.ts';

/** How long to try something that the control plane must answer. */
export interface Persistence {
  readonly telemetry: Pick<Telemetry, 'log'>;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the last failure is final. Without it there is no end. */
  readonly giveUpAfterMs?: number | undefined;
}

const firstDelayMs = 250;
const maxDelayMs = 15_000;
// Failures that the next attempt would meet again.
const finals = [RefusedByControlPlane, IdentityEnded, PinMismatch, UnreadableCa, UnknownStsRegion];

/** Repeats an attempt, at growing distances with jitter, until it succeeds, is refused, or is given up. */
export async function persist<T>(
  what: string,
  { telemetry, signal, giveUpAfterMs = Infinity }: Persistence,
  attempt: (count: number) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + giveUpAfterMs;
  for (let count = 0; ; count += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt(count);
    } catch (error) {
      if (signal?.aborted || finals.some((final) => final.is(error)) || performance.now() >= deadline)
        throw error;
      telemetry.log.warn(`${what} did not succeed; trying again`, {
        attempt: count + 1,
        error: messageOf(error),
      });
    }
    await delay(Math.max(0, Math.min(jittered(count), deadline - performance.now())), signal);
  }
}

function jittered(count: number): number {
  const ceiling = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(count, 10));
  return ceiling / 2 + Math.random() * (ceiling / 2);
}
