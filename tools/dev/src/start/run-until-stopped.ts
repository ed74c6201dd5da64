import { untilSignalled } from '@postern/core';
import type { Progress } from '@postern/lab';

/** Starts something and keeps it until a signal; a signal during the start ends the start and undoes it. */
export async function runUntilStopped(
  start: (signal: AbortSignal) => Promise<AsyncDisposable>,
  progress: Progress,
): Promise<void> {
  const stopping = new AbortController();
  const signalled = untilSignalled().then((name) => stopping.abort(new Error(`stopped by ${name}`)));
  const running = await start(stopping.signal).catch((error: unknown) => {
    if (stopping.signal.aborted) return undefined;
    throw error;
  });
  if (running) {
    await signalled;
    progress('stopping');
    await running[Symbol.asyncDispose]();
  }
  progress('stopped');
  // Idle connections of client libraries would keep the process for some seconds more; everything of ours is closed.
  process.exit();
}
