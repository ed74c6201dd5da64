import { existsSync, writeFileSync } from 'node:fs';

/** Where Debian's libfaketime lies; its package is named in the message of who misses it. */
const places = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
];

/** The library that moves the clock of one process; undefined where the Debian package libfaketime is not installed. */
export function fakeTimeLibrary(): string | undefined {
  return places.find((place) => existsSync(place));
}

/** The variables under which the wall clock of a process follows a file; its monotonic clock goes on. */
export function fakeTimeEnv(file: string): Record<string, string> {
  const library = fakeTimeLibrary();
  if (library === undefined) return {};
  stepClock(file, 0);
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

/** Moves the clock of whoever follows the file; seen within a second. */
export function stepClock(file: string, seconds: number): void {
  writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
}
