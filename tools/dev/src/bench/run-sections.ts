import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delay, messageOf } from '@postern/core';
import { descendants, watchOthers } from './machine.ts';
import { type Measured, printTable } from './table.ts';

/** A part of the benchmark. What it starts ends with the scope, and what it writes is in the folder. */
export interface Section {
  readonly name: string;
  readonly title: string;
  /** It is given up when it takes longer. */
  readonly minutes: number;
  measure(folder: string, scope: AsyncDisposableStack): Promise<Measured[]>;
}

const graceMs = 5000;

/**
 * Runs sections one after the other until the signal, each for as long as it may take; nothing of theirs is left behind. Returns how
 * many failed.
 */
export async function runSections(sections: readonly Section[], signal: AbortSignal): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  let failed = 0;
  try {
    for (const section of sections) {
      if (signal.aborted) return failed + 1;
      if (!(await runSection(section, join(folder, section.name), signal))) {
        failed += 1;
        await endDescendants();
      }
    }
    return failed;
  } finally {
    await endDescendants();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runSection(section: Section, folder: string, stopped: AbortSignal): Promise<boolean> {
  console.log(`\nmeasuring ${section.name} …`);
  const scope = new AsyncDisposableStack();
  const othersShare = watchOthers();
  const started = performance.now();
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(section.minutes * 60_000)]);
  const measuring = section.measure(folder, scope);
  try {
    printTable(section.title, await unlessAborted(measuring, signal));
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(
      `  (${seconds} s; other programs used ${(othersShare() * 100).toFixed(0)} % of the machine meanwhile)`,
    );
    return true;
  } catch (error) {
    console.error(`ERROR: ${section.name}: ${signal.aborted ? messageOf(error) : stackOf(error)}`);
    return false;
  } finally {
    await scope.disposeAsync().catch(() => {});
    // Without its servers an interrupted one fails soon; it tidies up then.
    await Promise.race([measuring.catch(() => {}), delay(graceMs)]);
  }
}

function stackOf(error: unknown): string {
  return (error instanceof Error && error.stack) || messageOf(error);
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Whatever a section that failed half-way did not end itself: asked first, then killed. */
async function endDescendants(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const pid of descendants()) send(pid, signal);
    const end = performance.now() + 5000;
    while (descendants().length > 0 && performance.now() < end) await delay(50);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
