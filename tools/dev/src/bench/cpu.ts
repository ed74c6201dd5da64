import { readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** What else to count. */
export interface CpuOptions {
  /** Also what their children used, once these have ended. */
  readonly ended?: boolean;
}

/** CPU seconds (user and system) that these processes have used so far, as the operating system counts them. */
export function cpuSeconds(pids: readonly number[], { ended = false }: CpuOptions = {}): number {
  return pids.reduce((sum, pid) => sum + ofProcess(pid, ended), 0);
}

function ofProcess(pid: number, ended: boolean): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, ended ? 15 : 13);
  return ticks.reduce((sum, each) => sum + Number(each), 0) / ticksPerSecond;
}
