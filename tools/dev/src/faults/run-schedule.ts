import { messageOf } from '@postern/core';
import type { SeparateStack } from '@postern/testkit';
import { setTimeout as delay } from 'node:timers/promises';
import { inject } from './inject.ts';
import type { PlannedFault } from './schedule.ts';
import { describeFault } from './schedule.ts';

/** Where a run tells what it does. */
export type Tell = (line: string) => void;

/** Breaks and mends as planned. Resolves with sentences on what could not be mended, or ended by itself. */
export async function runSchedule(
  stack: SeparateStack,
  schedule: readonly PlannedFault[],
  tell: Tell,
): Promise<string[]> {
  const began = performance.now();
  const findings: string[] = [];
  const mending = new Map<string, Promise<void>>();
  for (const fault of schedule) {
    await delay(Math.max(0, fault.atMs - (performance.now() - began)));
    // Mending takes its time: what is still being started cannot be broken again.
    await mending.get(fault.target);
    tell(describeFault(fault));
    const heal = await inject(stack, fault);
    const mended = delay(fault.forMs)
      .then(heal)
      .catch((error: unknown) => void findings.push(`${fault.kind} ${fault.target}: ${messageOf(error)}`));
    mending.set(fault.target, mended);
  }
  await Promise.all(mending.values());
  return findings;
}

/** Names of the processes that are not running, which nobody killed. */
export function endedProcesses(stack: SeparateStack): string[] {
  return stack.processNames.flatMap((name) => {
    const { outcome, logFile } = stack.processNamed(name);
    return outcome() === undefined ? [] : [`${name} ended with ${outcome()}: see ${logFile}`];
  });
}
