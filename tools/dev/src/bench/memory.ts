import { readFileSync } from 'node:fs';

/** Bytes of memory that a process holds now, the operating system's count (resident set). */
export function residentBytes(pid: number): number {
  return kilobytesOf(pid, 'VmRSS') * 1024;
}

/** The most it held so far. */
export function peakResidentBytes(pid: number): number {
  return kilobytesOf(pid, 'VmHWM') * 1024;
}

/** For example `184 MB`. */
export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2).toLocaleString('en')} MB`;
}

function kilobytesOf(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN);
}
