import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes this process the only one that runs on a data directory; a process that is gone without a word is forgotten. */
export function takeOver(dataDir: string): AsyncDisposable {
  const file = join(dataDir, 'owner');
  const owner = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  const [pid = '', startTime = ''] = owner.split(' ');
  if (pid !== '' && startTimeOf(pid) === startTime) {
    throw new Error(`${dataDir} is in use by process ${pid}: stop it, or choose another --data-dir`);
  }
  writeFileSync(file, `${process.pid} ${startTimeOf(String(process.pid))}\n`, { mode: 0o600 });
  return {
    [Symbol.asyncDispose]: async () => rmSync(file, { force: true }),
  };
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
