const impatienceMs = 2_000;

/**
 * Resolves with the name of the first SIGTERM or SIGINT. Ctrl-C reaches a process from its terminal and again from a parent
 * that forwards it, so a second signal within two seconds is the same one; a later one ends the process at once.
 */
export function untilSignalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, function stop(signal) {
        firstAt ??= performance.now();
        resolve(signal);
        if (performance.now() - firstAt < impatienceMs) return;
        process.off(name, stop);
        process.kill(process.pid, name);
      });
    }
  });
}

/** Waits, or rejects with the signal's reason when aborted first. `ms` is milliseconds. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
