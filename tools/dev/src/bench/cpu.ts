import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** What else to count. */
export interface CpuOptions {
  /** Also what threads and children used that have ended, in hundredths of a second. */
  readonly ended?: boolean;
}

/**
 * CPU seconds (user and system) that these processes have used so far, as the operating system counts them: to the nanosecond
 * for the threads that there are, where it keeps that (proc(5), schedstat).
 */
export function cpuSeconds(pids: readonly number[], { ended = false }: CpuOptions = {}): number {
  return pids.reduce((sum, pid) => sum + ((ended ? undefined : ofThreads(pid)) ?? ofProcess(pid, ended)), 0);
}

function ofThreads(pid: number): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((id) => readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8'));
    return nanoseconds.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e9, 0);
  } catch {
    // This kernel does not keep it, or a thread ended meanwhile.
    return undefined;
  }
}

function ofProcess(pid: number, ended: boolean): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, ended ? 15 : 13);
  return ticks.reduce((sum, each) => sum + Number(each), 0) / ticksPerSecond;
}
