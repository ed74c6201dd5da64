import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '@postern/core';
import type { Progress } from '@postern/lab';

const patienceMs = 15_000;

/**
 * Makes this process the only one that runs on a data directory. One that is just stopping is waited for; one that is gone
 * without a word is forgotten.
 */
export async function takeOver(dataDir: string, progress: Progress): Promise<AsyncDisposable> {
  const file = join(dataDir, 'owner');
  const end = performance.now() + patienceMs;
  for (let owner = ownerOf(file); owner !== undefined; owner = ownerOf(file)) {
    if (performance.now() > end) {
      throw new Error(`${dataDir} is in use by process ${owner}: stop it, or choose another --data-dir`);
    }
    progress(`waiting for process ${owner} to leave ${dataDir}`);
    await delay(1000);
  }
  writeFileSync(file, `${process.pid} ${startTimeOf(String(process.pid))}\n`, { mode: 0o600 });
  return {
    [Symbol.asyncDispose]: async () => rmSync(file, { force: true }),
  };
}

/** The pid of the live process that a file names. */
function ownerOf(file: string): string | undefined {
  const [pid = '', startTime = ''] = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : [];
  return pid !== '' && startTimeOf(pid) === startTime ? pid : undefined;
}

/** When a process began, in clock ticks since boot: a pid alone may have been given to somebody else since. */
function startTimeOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
