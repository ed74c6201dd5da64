import { readFileSync, writeFileSync } from 'node:fs';
import { delay } from '@postern/core';

/** Bytes of memory that a process holds now, the operating system's count (resident set). */
export function residentBytes(pid: number): number {
  return kilobytesOf(pid, 'VmRSS') * 1024;
}

/** The most it held so far. */
export function peakResidentBytes(pid: number): number {
  return kilobytesOf(pid, 'VmHWM') * 1024;
}

/** Forgets the most that a process held: what it holds now is that from now on (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

const settleSeconds = 10;

/** What a process holds once what was used on the way has been collected, as far as it does that by itself within ten seconds. */
export async function settledResidentBytes(pid: number): Promise<number> {
  let least = residentBytes(pid);
  for (let count = 0; count < settleSeconds; count += 1) {
    await delay(1000);
    least = Math.min(least, residentBytes(pid));
  }
  return least;
}

/** For example `184 MB`. */
export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2).toLocaleString('en')} MB`;
}

function kilobytesOf(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN);
}
