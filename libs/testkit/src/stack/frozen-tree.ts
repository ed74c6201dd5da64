import { readdirSync, readFileSync } from 'node:fs';

/** Stops a process and its children from running, as a starved machine does. Its parent goes first, or it would start more. */
export function freezeTree(pid: number): void {
  signalTree(pid, 'SIGSTOP');
}

/** Lets them go on. */
export function thawTree(pid: number): void {
  signalTree(pid, 'SIGCONT');
}

function signalTree(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
    return;
  }
  for (const child of childrenOf(pid)) signalTree(child, signal);
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
