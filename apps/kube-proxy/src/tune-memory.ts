import { setFlagsFromString } from 'node:v8';

/**
 * Bytes that pass through are buffers outside of V8's heap. By default V8 answers each few megabytes of them with a full
 * collection of a heap in which nothing is to be found; counted in the global limit they cause a tenth as many. Measured on
 * lists of 1 MB: half the CPU time.
 */
export function tuneMemory(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
}
