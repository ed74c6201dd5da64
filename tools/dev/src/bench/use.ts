import { cpuSeconds } from './cpu.ts';
import { megabytes, residentBytes } from './memory.ts';

/** Processes by the name they are told under. */
export type Watched = Readonly<Record<string, number>>;

/** Looks at processes from now until asked: `resource-svc 12 % CPU, 184 MB; …`, in parts of one core and resident memory. */
export function watchUse(processes: Watched): () => string {
  const started = performance.now();
  const before = Object.values(processes).map((pid) => cpuSeconds([pid]));
  return () => {
    const seconds = (performance.now() - started) / 1000;
    const told = Object.entries(processes).map(([name, pid], index) => {
      const share = ((cpuSeconds([pid]) - before[index]!) / seconds) * 100;
      return `${name} ${share.toFixed(share < 10 ? 1 : 0)} % CPU, ${megabytes(residentBytes(pid))}`;
    });
    return told.join('; ');
  };
}
