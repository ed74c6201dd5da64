import { join } from 'node:path';
import { breakClaim, releaseClaim, tryClaim } from './claim-file.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { waitUntil } from './wait-until.ts';

const GRACE_MS = 15_000;

/** How to end a process: the signal that asks it, and how long it has before it is killed. */
export interface StopManner {
  readonly signal?: NodeJS.Signals | undefined;
  readonly graceMs?: number | undefined;
}

/**
 * Claims a pid file for a child about to be started. A child that outlived its killed owner is stopped first; one
 * whose owner still runs is refused, because two servers on one data directory destroy it.
 */
export async function claimOrReap(pidFile: string, name: string, manner: StopManner = {}): Promise<void> {
  for (;;) {
    const holder = tryClaim(pidFile);
    if (!holder) return;
    if (isAlive(holder.owner)) {
      const who = holder.owner.pid === process.pid ? 'this process' : `process ${holder.owner.pid}`;
      throw new Error(
        `${name} of ${pidFile} is already run by ${who}: stop that first, or choose another directory`,
      );
    }
    if (holder.child) await stopProcess(holder.child, name, manner);
    breakClaim(pidFile, holder);
  }
}

/** Stops a child of an earlier run that nobody owns any more, without starting another. */
export async function reapOrphan(dir: string, name: string, manner: StopManner = {}): Promise<void> {
  const pidFile = join(dir, `${name}.pid`);
  await claimOrReap(pidFile, name, manner);
  releaseClaim(pidFile);
}

/** Stops a process that is not our child: asks, waits, then kills. */
export async function stopProcess(
  target: ProcessIdentity,
  name: string,
  manner: StopManner = {},
): Promise<void> {
  const gone = () => !isAlive(target);
  const what = `${name} (process ${target.pid}) of an earlier run to end`;
  try {
    if (!gone()) process.kill(target.pid, manner.signal ?? 'SIGTERM');
    await waitUntil(gone, { what, timeoutMs: manner.graceMs ?? GRACE_MS });
  } catch {
    if (!gone()) process.kill(target.pid, 'SIGKILL');
    await waitUntil(gone, { what, timeoutMs: GRACE_MS });
  }
}
