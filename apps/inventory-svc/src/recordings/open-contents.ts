import { openBucket } from '@postern/aws';
import type { Clock } from '@postern/core';
import type { Kysely } from 'kysely';
import type { InventoryDb } from '../database.ts';
import type { ContentStore } from './content-store.ts';
import { directory } from './directory.ts';
import { largeObjects } from './large-objects.ts';
import { s3Objects } from './s3-objects.ts';
import type { StorePlace } from './store-place.ts';

/** Opens the place where contents are kept. */
export async function openContents(
  store: StorePlace,
  db: Kysely<InventoryDb>,
  clock: Clock,
): Promise<ContentStore> {
  if (store.kind === 'postgres') return largeObjects(db);
  if (store.kind === 'directory') return directory(store.path);
  return s3Objects(await openBucket(store.place, clock), store.prefix, largeObjects(db));
}
