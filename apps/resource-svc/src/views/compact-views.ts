import type { ViewWriter } from '@postern/bus';
import type { ViewPlace } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { addGarbage, moveView, nextGeneration } from './view-garbage.ts';

/** A view with fewer tombstones is left as it is. */
const fewTombstones = 100;

/** What writing views anew works with. */
export interface Compaction {
  readonly db: Kysely<ResourceDb>;
  readonly writer: ViewWriter;
  readonly clock: Clock;
  /** How long the generation before stays. */
  readonly garbageAfterMs: number;
}

/** Writes every view anew of which more than half are tombstones. Answers which. */
export async function compactViews(deps: Compaction, hashes: Iterable<string>): Promise<string[]> {
  const compacted: string[] = [];
  for (const hash of hashes) {
    const { present, gone } = deps.writer.sizeOf(hash);
    const from = deps.writer.placeOf(hash);
    if (!from || gone <= fewTombstones || gone <= present) continue;
    if (await compact(deps, from)) compacted.push(hash);
  }
  return compacted;
}

async function compact({ db, writer, clock, garbageAfterMs }: Compaction, from: ViewPlace): Promise<boolean> {
  const generation = await nextGeneration(db);
  const due = new Date(clock().getTime() + garbageAfterMs);
  // Until the view has moved there: whoever is killed meanwhile leaves nothing behind.
  await addGarbage(db, { hash: from.hash, generation }, due);
  const use = await writer.rewrite(from.hash, generation);
  const hasMoved = await moveView(db, { from, generation, due });
  if (hasMoved) use();
  return hasMoved;
}
