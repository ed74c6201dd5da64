import { delay } from '@postern/core';
import { breakClaim, releaseClaim, tryClaim } from './claim-file.ts';
import { isAlive } from './process-identity.ts';

const POLL_MS = 250;

/** How to wait for a lock. `onWait` hears once, with the pid that holds it. */
export interface LockOptions {
  readonly onWait?: (holderPid: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Runs `work` while no other process runs work under the same file. The lock of a dead process is broken. */
export async function withLock<T>(file: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  let told = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const holder = tryClaim(file);
    if (!holder) break;
    if (!isAlive(holder.owner)) {
      breakClaim(file, holder);
      continue;
    }
    if (!told) options.onWait?.(holder.owner.pid);
    told = true;
    await delay(POLL_MS, options.signal);
  }
  try {
    return await work();
  } finally {
    releaseClaim(file);
  }
}
