import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@postern/telemetry';
import { idOf, readFrames } from './frames.ts';
import { Segment } from './segment.ts';

/** What an earlier process left. */
export interface Recovered {
  /** Files with facts that may not have been acknowledged, the oldest first. */
  readonly segments: Segment[];
  /** Promises under whose ids nothing else was said. */
  readonly broken: readonly string[];
}

const suffix = '.journal';

/** Name of a file of the journal: names sort as the files were begun. */
export function segmentName(number: number): string {
  return `${String(number).padStart(12, '0')}${suffix}`;
}

/**
 * Reads the files that an earlier process left. A frame that a crash cut off, and what is behind it, is cut off the file: it
 * was never acknowledged to anybody.
 */
export async function recoverSegments(folder: string, log: Logger): Promise<Recovered> {
  const names = (await readdir(folder)).filter((name) => /^\d{12}\.journal$/.test(name)).toSorted();
  const segments: Segment[] = [];
  const open = new Map<string, string>();
  for (const name of names) {
    const path = join(folder, name);
    const bytes = await readFile(path);
    const { frames, end } = readFrames(bytes);
    if (end < bytes.length) {
      log.warn('the end of a file of the journal is not whole', {
        file: path,
        lostBytes: bytes.length - end,
      });
      await truncate(path, end);
    }
    const segment = new Segment(path, { bytes: end, isQueued: false });
    for (const { type, text } of frames) {
      if (type === 'promise') open.set(idOf(text), text);
      else if (open.delete(idOf(text)) || type === 'fact') segment.facts += 1;
    }
    segments.push(segment);
  }
  return { segments, broken: [...open.values()] };
}
