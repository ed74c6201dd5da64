import { readdirSync, readFileSync } from 'node:fs';
import type { SoakGround } from './soak-ground.ts';

/** What one process holds at a moment. */
export interface Holding {
  readonly pid: number;
  readonly rssMegabytes: number;
  /** Open file descriptors. */
  readonly handles: number;
}

/** What every process of the product holds, by name. */
export type Holdings = ReadonlyMap<string, Holding>;

/** Reads what each process holds from `/proc`. One that is down at this moment is left out. */
export function holdingsOf({ stack, agents }: SoakGround): Holdings {
  const all = [
    ...stack.processNames.map((name) => stack.processNamed(name)),
    ...agents.names.map((_, at) => agents.process(at)),
  ];
  return new Map(
    all.flatMap(({ name, pid }) => {
      const holding = holdingOf(pid);
      return holding ? [[name, holding] as const] : [];
    }),
  );
}

function holdingOf(pid: number): Holding | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    // One that has ended and was not waited for yet has no memory.
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    if (kilobytes === undefined) return undefined;
    const handles = readdirSync(`/proc/${pid}/fd`).length;
    return { pid, rssMegabytes: Math.round(Number(kilobytes) / 102.4) / 10, handles };
  } catch {
    return undefined;
  }
}
