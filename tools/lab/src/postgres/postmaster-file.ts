import { existsSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { commandLineOf, identifyProcess } from '../process/process-identity.ts';
import { stopProcess } from '../process/reap-orphan.ts';

/**
 * Makes way for a new postmaster, by Postgres's own pid file, for when ours was lost. A server of this cluster that still
 * runs is stopped. A file whose pid now belongs to another program is removed, since Postgres would refuse to start over it;
 * one whose process is gone is left to Postgres, which also looks at the shared memory it names.
 */
export async function clearPostmaster(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n', 1)[0]);
  const running = Number.isInteger(pid) && pid > 0 ? identifyProcess(pid) : undefined;
  if (!running) return;
  if (isPostmasterOf(dataDir, pid)) await stopProcess(running, 'Postgres', { signal: 'SIGINT' });
  else rmSync(file, { force: true });
}

function isPostmasterOf(dataDir: string, pid: number): boolean {
  const command = commandLineOf(pid);
  if (!command.includes('postgres')) return false;
  if (command.includes(dataDir)) return true;
  try {
    // A postmaster works in its data directory.
    return process.platform === 'linux' && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch {
    return false;
  }
}
